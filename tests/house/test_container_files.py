"""The container files are about this checkout and its settings. That their commands run is for others to show."""

from __future__ import annotations

import re

import pytest
from typer.main import get_command

from server.cli import app
from server.config import Settings
from tests.house.files import ROOMS, ROOT
from tests.images import compose, containerfile, last_stage

FILES = [ROOT / "Containerfile", ROOT / "docker-compose.yaml"]
STACK = compose({"POSTGRES_PASSWORD": "secret"})
OURS = {name: one for name, one in STACK["services"].items() if one["image"] == "concordat"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_set_is_a_setting(file: object) -> None:
    named = {name.lower() for name in re.findall(r"\bCONCORDAT_(\w+)", file.read_text())}  # type: ignore[attr-defined]
    assert named
    assert named <= Settings.model_fields.keys()


def test_the_image_holds_every_room_and_what_the_locks_say() -> None:
    copied = {name for one in containerfile() if one.word == "COPY" for name in one.rest.split()[:-1]}
    assert copied >= {*ROOMS, "requirements.lock", "requirements-model.lock", "pyproject.toml"}
    assert [name for name in copied if not name.startswith(("-", "/")) and not (ROOT / name).exists()] == []
    (locked,) = [one.rest for one in containerfile() if one.word == "RUN" and ".lock" in one.rest]
    assert "--require-hashes" in locked


def test_the_image_is_slim_tagged_and_nobodys_root() -> None:
    bases = [one.rest.split()[0] for one in containerfile() if one.word == "FROM"]
    assert all(re.search(r"/python:\d\.\d+-slim$", base) for base in bases)
    (user,) = [one.rest for one in last_stage(containerfile()) if one.word == "USER"]
    assert int(user.split(":")[0]) > 0


def test_every_service_says_what_it_runs_and_when_it_is_well() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert OURS.keys() == {"migration", "server", "worker"}
    for name, service in OURS.items():
        program, command, *_ = service["command"]
        assert (program, command in commands) == ("concordat", True)
        assert service["environment"]["CONCORDAT_DATABASE_URL"].endswith(":secret@database:5432/concordat")
        assert ("healthcheck" in service) is (name != "server"), "the image's own is a server's"
    assert "test" in STACK["services"]["database"]["healthcheck"]

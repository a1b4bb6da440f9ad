"""What the Containerfile starts, and how it finds out that it is well, in a folder that stands for the image."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from tests.images import Place, container, containerfile, health_of, is_well, last_stage, of_image
from tests.journeys.dialects import IPOP
from tests.journeys.waiting import START_SECONDS, eventually
from tests.live import ROOT, free_port


@pytest.fixture
def image(tmp_path: Path) -> Place:
    """With this checkout, and this environment's Python under the names that the image has."""
    place = Place(tmp_path)
    programs = tmp_path / "app" / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "data").mkdir(mode=0o700)
    for name, arguments in (("python", ""), ("concordat", "-m server.cli")):
        (programs / name).write_text(f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {sys.executable} {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    return place


def test_it_serves_and_knows_when_it_is_well(image: Place, tmp_path: Path) -> None:
    stage, port = last_stage(containerfile()), free_port()
    image.moved[":8321"] = f":{port}"
    (command,) = [one.arguments for one in stage if one.word == "CMD"]
    environment = of_image(image, {"CONCORDAT_PORT": str(port)})
    assert not is_well(image, health_of(stage), environment)
    with container(image, command, environment, tmp_path / "log"):
        eventually(lambda: is_well(image, health_of(stage), environment), seconds=START_SECONDS)
        assert (tmp_path / "data" / "concordat.db").exists()
        key = (tmp_path / "log").read_text().partition("API key")[2].split()[0]
        answer = httpx.post(
            f"http://127.0.0.1:{port}{IPOP.url}",
            json=IPOP.chat(),
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text

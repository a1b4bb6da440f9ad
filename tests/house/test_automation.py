"""The workflow and the hooks that ship name nothing that is not there, and what they name runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.files import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
HOOKS: list[dict[str, Any]] = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]
]
OURS = ".venv/bin/python"
EVENTS = {"push", "pull_request", "schedule", "workflow_dispatch"}


def load(workflow: Path) -> dict[str, Any]:
    """Its keys as they are written: YAML 1.1 reads the key `on` as true."""
    value: dict[str, Any] = yaml.load(workflow.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    return value


def steps() -> Iterator[dict[str, Any]]:
    for workflow in WORKFLOWS:
        for job in load(workflow)["jobs"].values():
            yield from job["steps"]


def commands() -> list[str]:
    """Every line that a workflow or a hook runs."""
    lines = [line for step in steps() for line in step.get("run", "").splitlines() if line.strip()]
    return [*lines, *(hook["entry"] for hook in HOOKS)]


@pytest.mark.parametrize("workflow", [pytest.param(file, id=file.name) for file in WORKFLOWS])
def test_a_workflow_is_well_formed(workflow: Path) -> None:
    value = load(workflow)
    assert set(value["on"]) <= EVENTS
    assert value["permissions"] == {"contents": "read"}
    for job in value["jobs"].values():
        assert job["runs-on"]
        assert int(job["timeout-minutes"]) <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)


def test_actions_are_named_with_their_version() -> None:
    used = {step["uses"] for step in steps() if "uses" in step}
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []


def test_hooks_are_local_and_told_apart() -> None:
    assert {hook["language"] for hook in HOOKS} == {"system"}
    assert len({hook["id"] for hook in HOOKS}) == len(HOOKS)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_every_target_that_is_named() -> None:
    """`make --dry-run` reads the Makefile as it is, with what its targets need taken as made."""
    named = {word for line in commands() for word in line.split()[1:] if line.split()[0] == "make"}
    assert {"check", "test"} <= named
    for target in sorted(named):
        done = subprocess.run(
            ["make", "--dry-run", "--old-file=requirements-test.lock", target],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_every_command_of_ours_is_there() -> None:
    """Each is asked for its help, which loads it and does nothing; files that are named exist."""
    ours = sorted({line.strip() for line in commands() if line.strip().startswith(OURS)})
    assert len(ours) >= len(HOOKS)
    for line in ours:
        words = shlex.split(line)[1:]
        assert words[0] == "-m"
        assert [word for word in words[2:] if "/" in word and not (ROOT / word).exists()] == []
        helped = [sys.executable, *words[: 2 if words[1] == "pytest" else None], "--help"]
        done = subprocess.run(helped, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (line, done.stderr)


@pytest.mark.parametrize("name", ["lint", "tables"])
def test_cheap_hooks_pass(name: str) -> None:
    (hook,) = [hook for hook in HOOKS if hook["id"] == name]
    files = [] if hook.get("pass_filenames") is False else ["codegen/__main__.py", "codegen/generated/ipop/models.py"]
    command = [sys.executable, *shlex.split(hook["entry"])[1:], *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

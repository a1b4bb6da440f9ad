"""docs/tutorial.md as it is written: every command, in order, on a copy of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live import ROOT, SETTINGS, free_port

TUTORIAL = ROOT / "docs" / "tutorial.md"
COPIED = (
    "README.md",
    "codegen",
    "docs",
    "handlers",
    "providers",
    "pyproject.toml",
    "server",
    "specs",
    "storage",
    "tests",
)
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "==== block {} ===="


@dataclass(frozen=True)
class Followed:
    """`printed` is what each block of commands wrote to standard output."""

    folder: Path
    blocks: list[tuple[str, str]]
    printed: list[str]
    complained: str


def blocks() -> list[tuple[str, str]]:
    """Each block of commands, and what the page says comes out of it."""
    found: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((text, ""))
        else:
            found[-1] = (found[-1][0], text)
    return found


def copy_of_the_code(folder: Path) -> None:
    """With a `concordat` command that runs the copy."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy2(ROOT / name, folder / name)
    command = folder / "bin" / "concordat"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m server.cli "$@"\n')
    command.chmod(0o755)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("tutorial")
    copy_of_the_code(folder)
    port = str(free_port())
    written = blocks()
    script = "".join(f"echo '{MARK.format(number)}'\n{text}" for number, (text, _) in enumerate(written))
    environment = {name: value for name, value in os.environ.items() if not SETTINGS.search(name)}
    environment |= {"CONCORDAT_PORT": port, "PATH": f"{folder / 'bin'}:{environment['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        ["bash", "-c", script.replace("8321", port)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    printed = re.split(r"==== block \d+ ====\n", done.stdout)[1:]
    return Followed(folder, written, printed, done.stderr)


def as_pattern(expected: str) -> str:
    """`...` stands for anything."""
    return re.escape(expected).replace(re.escape("..."), ".*")


def test_tutorial_has_what_it_promises() -> None:
    text = "".join(commands for commands, _ in blocks())
    for promised in ("concordat new", "serve --mock", "Prefer: example", "Prefer: code", "concordat diff", "generate"):
        assert promised in text


@pytest.mark.parametrize("number", range(len(blocks())))
def test_commands_print_what_the_page_says(followed: Followed, number: int) -> None:
    commands, expected = followed.blocks[number]
    printed = "\n".join(line.rstrip() for line in followed.printed[number].strip().splitlines())
    assert re.fullmatch(as_pattern(expected.strip()), printed, re.DOTALL), (
        f"{commands}\n{printed}\n{followed.complained}"
    )


def test_house_holds_with_a_fifth_document(followed: Followed) -> None:
    rules = [f"tests/house/test_{name}.py" for name in ("operations", "documents")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *rules],
        cwd=followed.folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout

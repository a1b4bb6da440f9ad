"""Programs that may be installed beside the server, found by really running them.

LibreOffice reads old Office and OpenDocument files, which are refused without it. `pdftotext` is reported for whoever
looks after the machine: PDFs are read without it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from providers.extraction.processes import end

SECONDS = 20.0
MOST_SAID_BYTES = 4096
VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class Program:
    """`ask` makes it tell its version; pdftotext knows no `--version`."""

    name: str
    commands: Sequence[str]
    ask: str


@dataclass(frozen=True, slots=True)
class Probe:
    """`path` is None where the program is missing. `problem` says why it cannot be used."""

    name: str
    path: Path | None
    version: str | None
    problem: str | None

    @property
    def usable(self) -> bool:
        return self.problem is None


LIBREOFFICE = Program("LibreOffice", ("soffice", "libreoffice"), "--version")
PDFTOTEXT = Program("pdftotext", ("pdftotext",), "-v")


async def probe(program: Program, search_path: str | None = None, seconds: float = SECONDS) -> Probe:
    """`search_path` is a list of folders as in PATH, which it is by default."""
    found = await asyncio.to_thread(_find, program, search_path)
    if found is None:
        return Probe(program.name, None, None, f"{program.name} is not installed")
    try:
        async with asyncio.timeout(seconds):
            said = await _run(found, program.ask)
    except TimeoutError:
        return Probe(program.name, found, None, f"{program.name} did not answer within {seconds:g} seconds")
    except OSError as error:
        return Probe(program.name, found, None, f"{program.name} cannot be run: {error.strerror}")
    version = VERSION.search(said)
    if version is None:
        return Probe(program.name, found, None, f"{program.name} does not tell its version")
    return Probe(program.name, found, version[0], None)


def _find(program: Program, search_path: str | None) -> Path | None:
    for command in program.commands:
        if found := shutil.which(command, path=search_path):
            return Path(found)
    return None


async def _run(path: Path, argument: str) -> str:
    """What it prints. It sees no environment of ours, and a home that is gone afterwards."""
    home = await asyncio.to_thread(TemporaryDirectory, prefix="probe-")
    try:
        process = await asyncio.create_subprocess_exec(
            str(path),
            argument,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env={"HOME": home.name, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            said = b""
            while len(said) < MOST_SAID_BYTES and (portion := await process.stdout.read(MOST_SAID_BYTES)):
                said += portion
            return said.decode("utf-8", "replace")
        finally:
            await end(process)
    finally:
        await asyncio.to_thread(home.cleanup)

"""Documents are read by a process of their own each, which has limits, no secrets, and nothing to lose.

A document can crash its reader, or hold it busy: then that document fails. No reader lives on to see the next one.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from providers.errors import Unreadable
from providers.extraction.interface import Section
from providers.extraction.limits import Limits
from providers.extraction.processes import end

ROOT = Path(__file__).parents[2]
START = """
import sys
sys.path.insert(0, sys.argv[1])
from providers.extraction.reading.main import main
main(sys.argv[2])
"""
PORTION_BYTES = 1 << 18
MOST_WRITTEN = 4
"""JSON doubles some characters, and a page of one letter is a line of fifty."""
OVERHEAD_BYTES = 1_000_000
DEFAULT = Limits()


class Isolated:
    """At most `most_at_once` documents are read at the same time; the others wait. `soffice` is LibreOffice, where it
    is installed. Belongs to one event loop."""

    def __init__(self, limits: Limits = DEFAULT, soffice: Path | None = None, most_at_once: int = 2) -> None:
        self._limits = limits
        self._soffice = soffice
        self._places = asyncio.Semaphore(most_at_once)

    async def extract(self, path: Path, filename: str, media_type: str | None) -> Sequence[Section]:
        order = {"path": str(path), "filename": filename, "media_type": media_type, "limits": asdict(self._limits)}
        async with self._places:
            if self._soffice is None:
                return await self._read(order | {"soffice": None, "scratch": None})
            scratch = await asyncio.to_thread(TemporaryDirectory, prefix="conversion-")
            try:
                return await self._read(order | {"soffice": str(self._soffice), "scratch": scratch.name})
            finally:
                await asyncio.to_thread(scratch.cleanup)

    async def _read(self, order: dict[str, Any]) -> list[Section]:
        process = await _start(order)
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                written = await self._collect(process)
                status = await process.wait()
        except TimeoutError:
            message = f"the document was not read within {self._limits.wall_seconds:g} seconds"
            raise Unreadable("timed_out", message) from None
        finally:
            await end(process)
        return await asyncio.to_thread(_sections, written, status)

    async def _collect(self, process: Process) -> bytearray:
        """Counts what comes, for a reader that was taken over keeps to nothing."""
        assert process.stdout is not None
        written, most = bytearray(), MOST_WRITTEN * self._limits.text_bytes + OVERHEAD_BYTES
        while portion := await process.stdout.read(PORTION_BYTES):
            written += portion
            if len(written) > most:
                raise Unreadable("too_large", "the document gives more text than is read here")
        return written


async def _start(order: dict[str, Any]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-c",
        START,
        str(ROOT),
        orjson.dumps(order).decode(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )


def _sections(written: bytearray, status: int) -> list[Section]:
    """Raises `Unreadable` where the last line says so, or where there is none because the process died."""
    lines = bytes(written).split(b"\n")
    try:
        *read, last = (orjson.loads(line) for line in lines if line)
    except ValueError:
        read, last = [], {}
    if "code" in last:
        raise Unreadable(last["code"], last["message"])
    if "end" not in last:
        raise _death(status)
    return [Section(**line) for line in read]


def _death(status: int) -> Unreadable:
    if status == -signal.SIGXCPU:
        return Unreadable("timed_out", "the document takes too long to read")
    if status == -signal.SIGKILL:
        return Unreadable("too_large", "the document needs more memory or time than it is given")
    return Unreadable("corrupt", "the document is damaged in a way that ends its reader")

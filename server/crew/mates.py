"""How processes that share a port ask each other what they count: over a socket of each in a folder of theirs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ANSWER_SECONDS = 2.0
SUFFIX = ".sock"


@dataclass(frozen=True, slots=True)
class Mates:
    folder: Path
    number: int

    async def run(self, tell: Callable[[], bytes]) -> None:
        """Answers each that connects with what `tell` says then; until it is cancelled."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(tell())
            writer.close()

        async with await asyncio.start_unix_server(answer, sock=self._bind()) as server:
            await server.serve_forever()

    async def ask(self) -> Sequence[bytes]:
        """What the others say; one that does not answer is left out."""
        places = [place for place in sorted(self.folder.glob("*" + SUFFIX)) if place != self._place]
        said = await asyncio.gather(*(_read(place) for place in places))
        return [one for one in said if one]

    @property
    def _place(self) -> Path:
        return self.folder / f"{self.number}{SUFFIX}"

    def _bind(self) -> socket.socket:
        """In the place of the process that had this number before, which may still finish its requests."""
        draft = self.folder / f"{self.number}.{os.getpid()}"
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound.bind(str(draft))
        draft.rename(self._place)
        return bound


async def _read(place: Path) -> bytes:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(place)
            try:
                return await reader.read()
            finally:
                writer.close()
    except OSError:  # that of a time-out, too
        return b""

"""Runs of a stream's chunks, written by replacing bytes."""

from __future__ import annotations

from collections.abc import Callable

from handlers.core.asks import Chunk, Run, Shape

WORDS = b"@words@"
"""Stands for the words of a chunk, to see where they go."""


class Runs:
    """Writes a run as `write` writes each of its chunks, which it is asked to once for a shape: frames that differ in
    their words alone. It must write words as they are, whatever they are, and remember nothing of them."""

    __slots__ = ("_frame", "_shape", "_write")

    def __init__(self, write: Callable[[Chunk], bytes]) -> None:
        self._write = write
        self._shape: Shape | None = None
        self._frame: list[bytes] = []

    def write(self, run: Run) -> bytes:
        if run.shape is not self._shape:
            self._shape = run.shape
            self._frame = self._write(Chunk(raw=run.shape.head + WORDS + run.shape.tail)).split(WORDS)
        if len(self._frame) != 2:
            return b"".join(map(self._write, run.chunks))
        before, behind = self._frame
        return b"%b%b%b" % (before, run.lines.replace(b"\n", behind + before), behind)

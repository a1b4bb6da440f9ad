"""A stream's chunks as frames, runs of them by replacing bytes."""

from __future__ import annotations

from collections.abc import Callable

from handlers.core.asks import Burst, Chunk, Run, Shape

WORDS = b"@words@"
"""Stands for the words of a chunk, to see where they go."""
Written = tuple[bytes, bytes, int]
"""Frames, one that stands for them, and how many they are; see `Frames.of`."""


class Writer:
    """Writes a run as `write` writes each of its chunks, which it is asked to once for a shape: frames that differ in
    their words alone. It must write words as they are, whatever they are, and remember nothing of them; those of a
    chunk without words are its own affair."""

    __slots__ = ("_frame", "_shape", "_write")

    def __init__(self, write: Callable[[Chunk], list[bytes]]) -> None:
        self._write = write
        self._shape: Shape | None = None
        self._frame: list[bytes] = []

    def write(self, burst: Burst) -> list[Written]:
        written: list[Written] = []
        for piece in burst:
            if type(piece) is Run and (run := self._run(piece)):
                written.append(run)
            else:
                written += [(frame, frame, 1) for chunk in piece.chunks for frame in self._write(chunk)]
        return written

    def _run(self, run: Run) -> Written | None:
        if run.shape is not self._shape:
            self._shape = run.shape
            frames = self._write(Chunk(raw=run.shape.head + WORDS + run.shape.tail))
            self._frame = frames[0].split(WORDS) if len(frames) == 1 else []
        if len(self._frame) != 2 or run.is_silent:
            return None
        before, behind = self._frame
        text = b"%b%b%b" % (before, run.lines.replace(b"\n", behind + before), behind)
        return text, before + behind, run.number

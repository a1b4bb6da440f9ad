"""The journal of a process: what is to be recorded, in files that are only added to, until it is in the database.

<database>-ledger/<process id>/00000001   segments of frames: the payload's length and CRC-32, then the payload
                               applied    how far they are in the database, a `Position`

What was appended is in the operating system's hands, so that nothing is lost with the process, and what was synced is
on the disk. A process locks its folder for as long as it lives; who gets the lock knows that it is
dead.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from storage.disk import sync
from storage.errors import StorageUnavailable

FRAME = struct.Struct("<II")
MARK = "applied"
SEGMENT_BYTES = 16 << 20
BATCH_BYTES = 4 << 20


class Position(NamedTuple):
    """The end of a frame, counted from the start of its segment."""

    segment: int
    offset: int


class Journal:
    """Written by one thread of one process. Raises `StorageUnavailable` where the disk takes nothing more."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._lock = _make(folder)
        self._file, self.end = -1, Position(0, 0)
        self.turn_over()

    def append(self, payload: bytes) -> Position:
        """Where its frame ends."""
        if self.end.offset >= self._segment_bytes:
            self.turn_over()
        frame = FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            written = os.write(self._file, frame)
        except OSError as error:
            raise StorageUnavailable(f"the ledger's journal cannot be written: {error}") from error
        if written < len(frame):
            os.ftruncate(self._file, self.end.offset)
            raise StorageUnavailable("the ledger's journal cannot be written: the disk is full")
        self.end = Position(self.end.segment, self.end.offset + written)
        return self.end

    def close(self) -> None:
        """What is left in it is for others: the folder is theirs from here on."""
        os.close(self._file)
        os.close(self._lock)

    def turn_over(self) -> None:
        """Begins the next segment: the one before can be removed when it is in the database."""
        number = self.end.segment + 1
        try:
            file = os.open(segment(self.folder, number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StorageUnavailable(f"the ledger's journal cannot be begun: {error}") from error
        if self._file >= 0:
            os.close(self._file)
        self._file, self.end = file, Position(number, 0)


class Syncing:
    """Of a journal that another process writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, int] = {}

    def sync(self, first: int, last: int) -> None:
        """Returns when what these segments hold is on the disk; blocks. Raises `OSError`. One that is gone is in the
        database, and was synced with that."""
        for number in range(first, last + 1):
            with suppress(FileNotFoundError):
                os.fdatasync(self._open(number))
        for number in [number for number in self._files if number < last]:
            os.close(self._files.pop(number))

    def close(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, number: int) -> int:
        if number not in self._files:
            self._files[number] = os.open(segment(self._folder, number), os.O_WRONLY)
            sync(self._folder)  # a file's name is not in the file
        return self._files[number]


class Reader:
    """Reads frames in their order, from the first segment that is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.position = Position(next(segments(folder), 1), 0)
        self._file = -1

    def read(self) -> list[bytes]:
        """The next payloads, about `BATCH_BYTES` of them; nothing when there are no more, for now."""
        while True:
            followed = segment(self._folder, self.position.segment + 1).exists()  # before the last look at this one
            if payloads := self._rest_of_segment():
                return payloads
            if not followed:
                return []
            self._close()
            self.position = Position(self.position.segment + 1, 0)

    def close(self) -> None:
        self._close()

    def _rest_of_segment(self) -> list[bytes]:
        if self._file < 0:
            try:
                self._file = os.open(segment(self._folder, self.position.segment), os.O_RDONLY)
            except FileNotFoundError:
                return []
        number, offset = self.position
        data = os.pread(self._file, BATCH_BYTES, offset)
        size = os.fstat(self._file).st_size - offset
        if len(data) >= FRAME.size and size > len(data) < FRAME.size + FRAME.unpack_from(data)[0]:
            data = os.pread(self._file, size, offset)  # one frame that is larger than a batch
        payloads, end = _frames(data)
        self.position = Position(number, offset + end)
        return payloads

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _frames(data: bytes) -> tuple[list[bytes], int]:
    """Whole payloads and where the last of them ends. One that is half written ends them."""
    payloads, end = [], 0
    while len(data) - end >= FRAME.size:
        length, checksum = FRAME.unpack_from(data, end)
        payload = data[end + FRAME.size : end + FRAME.size + length]
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            break
        payloads.append(payload)
        end += FRAME.size + length
    return payloads, end


def segment(folder: Path, number: int) -> Path:
    return folder / f"{number:08}"


def segments(folder: Path) -> Iterator[int]:
    """The numbers of those that are there, in their order."""
    with suppress(FileNotFoundError):
        yield from sorted(int(name) for name in os.listdir(folder) if name.isdigit())


def end_of(folder: Path) -> Position:
    """The end of all that was appended so far."""
    for number in reversed(list(segments(folder))):
        with suppress(FileNotFoundError):
            if size := segment(folder, number).stat().st_size:
                return Position(number, size)
    return Position(0, 0)


def applied(folder: Path) -> Position:
    """How far it is in the database."""
    try:
        return Position(*map(int, (folder / MARK).read_text().split()))
    except (FileNotFoundError, TypeError, ValueError):
        return Position(0, 0)


def folders(database: Path) -> Iterator[Path]:
    """Of all processes, living and dead, that have not yet removed theirs."""
    with suppress(FileNotFoundError):
        yield from (home(database) / name for name in os.listdir(home(database)) if name[0] != ".")


def home(database: Path) -> Path:
    return database.with_name(f"{database.name}-ledger")


def lock(folder: Path) -> int | None:
    """A file that holds the folder's lock until it is closed; None while its process lives, or when it is gone."""
    try:
        file = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _make(folder: Path) -> int:
    """Makes the folder, which nobody sees before it is locked; answers the lock."""
    hidden = folder.with_name(f".{folder.name}")
    try:
        hidden.mkdir(mode=0o700, parents=True)
        held = os.open(hidden, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        hidden.rename(folder)
    except OSError as error:
        raise StorageUnavailable(f"the ledger's journal cannot be made: {error}") from error
    return held

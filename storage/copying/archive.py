"""A backup: one ZIP file, whose parts anybody can read.

manifest.json          what is in it: format, revision, tables, sequences, and every other part with its SHA-256
tables/<name>.jsonl    the rows of a table by key, a JSON array each; bytes are base64
blobs/00001.pack       the bytes of some blobs, one behind the other
blobs/00001.jsonl      `[key, size in bytes, sha256]` of each, in their order
secrets.key            the secret under which stored keys are sealed, only where it was asked for
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import os
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from storage.copying.shapes import Column, Row, Shape, converter
from storage.errors import CopyRefused, StorageUnavailable

Item = TypeVar("Item")

FORMAT = 1
MANIFEST, SECRET_KEY = "manifest.json", "secrets.key"
PIECE_BYTES = 2**20
LINES_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """`sha256` is of its content as it is outside the archive."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    shape: Shape
    rows: int


@dataclass(frozen=True, slots=True)
class BlobCount:
    """`missing` are those that rows refer to and that were not in the store."""

    count: int = 0
    size_bytes: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """`database` is the kind that was backed up; the archive is the same for each."""

    made_at: str
    program: str
    database: str
    revision: str
    tables: tuple[Table, ...] = ()
    sequences: Mapping[str, int] = field(default_factory=dict)
    blobs: BlobCount = BlobCount()
    has_secret_key: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


class ArchiveWriter:
    """One part at a time. Its methods block."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.parts: list[Part] = []

    @contextmanager
    def part(self, name: str, *, is_packed: bool = True) -> Iterator[PartWriter]:
        """`is_packed` compresses."""
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        with self._file.open(info, "w", force_zip64=True) as opened:
            writer = PartWriter(opened)
            yield writer
        self.parts.append(Part(name, writer.size_bytes, writer.sha256.hexdigest()))

    def finish(self, manifest: Manifest) -> None:
        self._file.writestr(MANIFEST, orjson.dumps(_as_json(manifest), option=orjson.OPT_INDENT_2))


class PartWriter:
    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        self.sha256.update(piece)
        self.size_bytes += len(piece)
        self._opened.write(piece)

    def write_rows(self, shape: Shape, rows: Sequence[Row]) -> None:
        convert = converter(shape, {"bytes": lambda value: base64.b64encode(value).decode(), "real": _finite})
        self.write(b"".join(orjson.dumps(convert(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows))


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """The file is there, whole, when the block ends; when it raises there is none. Raises `CopyRefused` when there is
    one already."""
    draft = path.with_name(f"{path.name}.unfinished~")
    with _translated(path):
        if path.exists():
            raise CopyRefused(f"there is a file already: {path}")
        draft.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as opened:
                with zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
                    yield ArchiveWriter(file)
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


class ArchiveReader:
    """Its methods block, and raise `CopyRefused`."""

    def __init__(self, file: zipfile.ZipFile, manifest: Manifest) -> None:
        self._file = file
        self.manifest = manifest

    def pieces(self, name: str, size: int = PIECE_BYTES) -> Iterator[bytes]:
        with self._file.open(name) as opened:
            while piece := opened.read(size):
                yield piece

    def text(self, name: str) -> str:
        return b"".join(self.pieces(name)).decode()

    def check(self) -> None:
        """Reads all of it."""
        for part in self.manifest.parts:
            digest, size_bytes = hashlib.sha256(), 0
            for piece in self.pieces(part.name):
                digest.update(piece)
                size_bytes += len(piece)
            if (size_bytes, digest.hexdigest()) != (part.size_bytes, part.sha256):
                raise CopyRefused(f"the backup is damaged: {part.name} is not what was written")

    def rows(self, shape: Shape) -> Iterator[list[Row]]:
        convert = converter(shape, {"bytes": base64.b64decode, "real": float})
        for lines in self._lines(f"tables/{shape.name}.jsonl"):
            yield [convert(orjson.loads(line)) for line in lines]

    def blobs(self) -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
        """Each pack's name, with key, size and hash of what is in it."""
        for part in self.manifest.parts:
            if part.name.endswith(".pack"):
                index = [line for lines in self._lines(part.name.replace(".pack", ".jsonl")) for line in lines]
                yield part.name, [tuple(orjson.loads(line)) for line in index]

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        with self._file.open(name) as opened:
            yield opened

    def _lines(self, name: str) -> Iterator[list[bytes]]:
        """Some at a time."""
        rest = b""
        for piece in self.pieces(name, LINES_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield lines
        if rest:
            raise CopyRefused(f"the backup is damaged: {name} ends within a line")


@contextmanager
def reading(path: Path) -> Iterator[ArchiveReader]:
    """Raises `CopyRefused` for what is no backup, or one of a later format."""
    with _translated(path), zipfile.ZipFile(path) as file:
        try:
            manifest = _from_json(orjson.loads(file.read(MANIFEST)))
        except (KeyError, TypeError, ValueError) as error:
            raise CopyRefused(f"{path} is no backup: it has no manifest that can be read") from error
        yield ArchiveReader(file, manifest)


async def in_thread(items: Iterator[Item]) -> AsyncIterator[Item]:
    nothing: Any = object()
    while (item := await asyncio.to_thread(next, items, nothing)) is not nothing:
        yield item


def _as_json(manifest: Manifest) -> dict[str, Any]:
    tables = [
        {
            "name": table.shape.name,
            "columns": {column.name: column.kind for column in table.shape.columns},
            "key": table.shape.key,
            "rows": table.rows,
        }
        for table in manifest.tables
    ]
    return {"format": FORMAT, **asdict(manifest), "tables": tables}


def _from_json(found: dict[str, Any]) -> Manifest:
    if (written := found.pop("format")) != FORMAT:
        raise CopyRefused(f"the backup is of format {written}, and this version knows {FORMAT}")
    tables = [
        Table(Shape(one["name"], tuple(Column(*c) for c in one["columns"].items()), tuple(one["key"])), one["rows"])
        for one in found.pop("tables")
    ]
    blobs, parts = BlobCount(**found.pop("blobs")), tuple(Part(**part) for part in found.pop("parts"))
    return Manifest(**found, tables=tuple(tables), blobs=blobs, parts=parts)


def _finite(value: float) -> float | str:
    """JSON has no word for the others."""
    return value if math.isfinite(value) else repr(value)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CopyRefused(f"{path} is no backup, or a damaged one: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be read or written: {error.strerror or error}") from error

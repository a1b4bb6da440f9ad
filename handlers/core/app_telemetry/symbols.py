"""Which source map fits a file of a stack, and the maps that are at hand."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import structlog

from handlers.core.source_maps.stacks import Frame
from storage.blobs.interface import Blobs
from storage.errors import StorageError
from storage.repositories.source_maps import SourceMaps, StoredMap

if TYPE_CHECKING:
    from handlers.core.source_maps.parse import Position, SourceMap

log = structlog.get_logger(__name__)

MOST_MAPS = 32
"""What one envelope may have read for it."""
TOUCH_AFTER = timedelta(days=1)

Fitting = Mapping[tuple[str, str], "SourceMap"]
"""Maps by release and file, as the file is named in stacks."""


class MapsAtHand:
    """Maps that were read, those least lately used let go of when they take more than `most_bytes`. One is read at a
    time, which bounds what reading takes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._maps: OrderedDict[str, SourceMap] = OrderedDict()
        self._size_bytes = 0
        self._reading = asyncio.Lock()

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def get(self, key: str, read: Callable[[], AsyncIterator[bytes]]) -> SourceMap:
        """The map in the blob `key`, which never changes; `read` gives its bytes."""
        async with self._reading:
            if key in self._maps:
                self._maps.move_to_end(key)
                return self._maps[key]
            packed = b"".join([piece async for piece in read()])
            made = await asyncio.to_thread(_read, packed)
            self._keep(key, made)
        return made

    def _keep(self, key: str, made: SourceMap) -> None:
        if made.size_bytes > self._most_bytes:
            return
        self._maps[key] = made
        self._size_bytes += made.size_bytes
        while self._size_bytes > self._most_bytes:
            _, oldest = self._maps.popitem(last=False)
            self._size_bytes -= oldest.size_bytes


@dataclass(frozen=True, slots=True)
class Symbols:
    maps: SourceMaps
    blobs: Blobs
    at_hand: MapsAtHand

    async def fitting(self, project_id: str, files: Iterable[tuple[str, str]], now: datetime) -> Fitting:
        """Of the files, by release and name, those that a map fits."""
        wanted: dict[str, set[str]] = {}
        for release, file in files:
            wanted.setdefault(release, set()).add(file)
        chosen: dict[tuple[str, str], StoredMap] = {}
        for release, names in wanted.items():
            stored = await self.maps.named(project_id, release, {base_name(name) for name in names})
            for name in names:
                fit = best_fit(name, stored)
                if fit is not None:
                    chosen[release, name] = fit
        used = list({fit.id: fit for fit in chosen.values()}.values())[:MOST_MAPS]
        found = {fit.id: await self._map(fit) for fit in used}
        stale = [fit.id for fit in used if now - fit.used_at > TOUCH_AFTER]
        if stale:
            await self.maps.touch(stale, now)
        ready = {place: found.get(fit.id) for place, fit in chosen.items()}
        return {place: one for place, one in ready.items() if one is not None}

    async def _map(self, stored: StoredMap) -> SourceMap | None:
        """None when its blob has gone meanwhile: an event is worth more than its symbols."""

        async def read() -> AsyncIterator[bytes]:
            pieces = await self.blobs.get(stored.blob_key)
            if pieces is None:
                raise FileNotFoundError(stored.blob_key)
            async for piece in pieces:
                yield piece

        try:
            return await self.at_hand.get(stored.blob_key, read)
        except (FileNotFoundError, StorageError) as error:
            log.warning("source_map_not_read", source_map=stored.id, reason=str(error))
            return None


def find_in(fitting: Fitting, release: str | None) -> Callable[[Frame], Position | None]:
    def find(frame: Frame) -> Position | None:
        fit = fitting.get((release, frame.file)) if release and frame.file else None
        return fit.find(frame.line - 1, max(0, frame.column - 1)) if fit is not None else None

    return find


def base_name(name: str) -> str:
    """What is after the last slash, without query and `.map`."""
    return _path(name).rpartition("/")[2]


def best_fit(file: str, stored: Sequence[StoredMap]) -> StoredMap | None:
    """The one of which a name ends the file's path in whole folders, and the longest does. `~` stands for any host."""
    path, best, length = _path(file), None, 0
    for one in stored:
        for name in (_path(one.artifact_name), _path(one.file_name)):
            if ("/" + path.lstrip("/")).endswith("/" + name.lstrip("/")) and len(name) > length:
                best, length = one, len(name)
    return best


def _path(name: str) -> str:
    try:
        split = urlsplit(name.removeprefix("~"))
        path = unquote(split.path if split.scheme or split.netloc else name.removeprefix("~"))
    except ValueError:
        path = name
    return path.partition("?")[0].partition("#")[0].removesuffix(".map")


def _read(packed: bytes) -> SourceMap:
    from handlers.core.source_maps.parse import read_map

    return read_map(zlib.decompress(packed, wbits=31))

"""Reads of single items. A query costs much more than what it finds, so all that are waited for share one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from sqlalchemy import or_, select

from storage.database import Database
from storage.errors import StorageError
from storage.repositories.kv import ITEMS, KvItem
from storage.tables.types import plain

MOST_AT_ONCE = 256

Place = tuple[str, str]
"""Project and key."""


class KvReads:
    """Run `run` as long as the process lives: it does the reading."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[Place, list[asyncio.Future[KvItem | None]]] = {}
        self._wanted = asyncio.Event()

    async def get(self, project_id: str, key: str, now_us: int) -> KvItem | None:
        """As it is after this was called, or later. Raises `StorageError`."""
        future: asyncio.Future[KvItem | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((project_id, key), []).append(future)
        self._wanted.set()
        item = await future
        return None if item is None or (item.expires_us is not None and item.expires_us <= now_us) else item

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            places = list(self._waiting)[:MOST_AT_ONCE]
            taken = {place: self._waiting.pop(place) for place in places}
            if not self._waiting:
                self._wanted.clear()
            await self._answer(taken)

    async def _answer(self, taken: dict[Place, list[asyncio.Future[KvItem | None]]]) -> None:
        try:
            found = await self._read(taken)
        except StorageError as error:
            for future in (waiting for group in taken.values() for waiting in group):
                if not future.done():
                    future.set_exception(error)
            return
        for place, group in taken.items():
            for future in group:
                if not future.done():  # whoever asked may have gone
                    future.set_result(found.get(place))

    async def _read(self, places: Collection[Place]) -> dict[Place, KvItem]:
        """By project, which SQLite finds through its index; for pairs it would read everything."""
        keys: dict[str, list[str]] = {}
        for project_id, key in places:
            keys.setdefault(project_id, []).append(key)
        mine = [(ITEMS.c.project_id == project_id) & ITEMS.c.key.in_(keys[project_id]) for project_id in keys]
        query = select(*ITEMS.c).where(or_(*mine))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {(row.project_id, row.key): KvItem(**plain(row)) for row in rows}

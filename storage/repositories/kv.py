"""Keys and values of projects. Every write is one transaction, which holds the project's row of sums: of two writers
that both go by the same version one is first, and what the items add up to is never off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, or_, select, update

from storage.database import Database, Transaction
from storage.lookups.lookup import Lookup
from storage.repositories.meters import Meter, Meters
from storage.tables.kv import KvItemRow, KvTableRow
from storage.tables.types import core, instant, plain

ITEMS = core(KvItemRow)
TABLES = core(KvTableRow)

SECOND_US = 1_000_000
INGRESS, STORAGE = "kv.ingress_bytes", "kv.storage_byte_seconds"
HIGHEST = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class KvItem:
    """Times in microseconds; `value` None was not asked for."""

    project_id: str
    key: str
    mode: str
    content_type: str
    version: int
    size_bytes: int
    created_us: int
    updated_us: int
    expires_us: int | None
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class KvWrite:
    """`if_version` is the version that is to be replaced, 0 that there is none yet; None does not ask."""

    key: str
    mode: str
    content_type: str
    value: bytes
    expires_us: int | None = None
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class KvSums:
    """What a project's items add up to. `metered_at` is in unix seconds."""

    project_id: str
    item_count: int
    storage_bytes: int
    created_us: int
    updated_us: int
    metered_at: int


@dataclass(frozen=True, slots=True)
class KvPage:
    prefix: str = ""
    after: str | None = None
    limit: int = 100
    with_values: bool = False


ITEM = Lookup(ITEMS, ("project_id", "key"), KvItem)


class VersionMismatch(Exception):
    """`found` is the version that is there, 0 for none."""

    def __init__(self, found: int) -> None:
        super().__init__(str(found))
        self.found = found


@dataclass(frozen=True, slots=True)
class KvItems:
    """An item whose time is over is not there, whether it was cleaned away or not."""

    database: Database

    async def get(self, project_id: str, key: str, now_us: int) -> KvItem | None:
        found = await self.database.find(ITEM, project_id, key)
        return None if found is None or (found.expires_us is not None and found.expires_us <= now_us) else found

    async def list(self, project_id: str, page: KvPage, now_us: int) -> list[KvItem]:
        """By key, as code points order them."""
        async with self.database.reading() as connection:
            rows = await connection.execute(_page(project_id, page).where(_alive(now_us)))
        return [KvItem(**plain(row)) for row in rows]

    async def put(self, project_id: str, write: KvWrite, now_us: int) -> KvItem:
        """Raises `VersionMismatch`."""
        async with self.database.writing() as tx:
            sums = await self._settle(tx, project_id, now_us)
            current = await _current(tx, project_id, write.key)
            version = current.version if current else 0
            if write.if_version not in (None, version):
                raise VersionMismatch(version)
            item = _written(project_id, write, current, now_us)
            fields = asdict(item)
            statement = self.database.insert(ITEMS).values(fields)
            await tx.execute(statement.on_conflict_do_update(index_elements=["project_id", "key"], set_=fields))
            grown = item.size_bytes - (current.size_bytes if current else 0)
            await _note(tx, _changed(sums, grown, 0 if current else 1, now_us))
            day = instant(now_us // SECOND_US).date().isoformat()
            await Meters(self.database).add(tx, {Meter(project_id, INGRESS, day): item.size_bytes})
        return replace(item, value=None)

    async def delete(self, project_id: str, key: str, if_version: int | None, now_us: int) -> KvItem | None:
        """What was deleted; None when there was none. Raises `VersionMismatch`."""
        async with self.database.writing() as tx:
            sums = await self._settle(tx, project_id, now_us)
            current = await _current(tx, project_id, key)
            if current is None:
                return None
            if if_version not in (None, current.version):
                raise VersionMismatch(current.version)
            await tx.execute(delete(ITEMS).where(_mine(project_id, key)))
            await _note(tx, _changed(sums, -current.size_bytes, -1, now_us))
        return current

    async def sums(self, project_id: str, now_us: int) -> KvSums:
        """Metered up to now."""
        async with self.database.writing() as tx:
            return await self._settle(tx, project_id, now_us)

    async def projects(self, after: str, limit: int) -> Sequence[str]:
        """Those that have items or had some, by id."""
        query = select(TABLES.c.project_id).where(TABLES.c.project_id > after)
        async with self.database.reading() as connection:
            return (await connection.scalars(query.order_by(TABLES.c.project_id).limit(limit))).all()

    async def _settle(self, tx: Transaction, project_id: str, now_us: int) -> KvSums:
        """Takes the project's row, drops items whose time is over, and meters what was stored up to now: each item up
        to the second in which its time was over."""
        now = now_us // SECOND_US
        fresh = KvSums(project_id, 0, 0, now_us, now_us, now)
        await tx.execute(self.database.insert(TABLES).values(asdict(fresh)).on_conflict_do_nothing())
        taken = select(TABLES).where(TABLES.c.project_id == project_id).with_for_update()
        sums = KvSums(**plain((await tx.execute(taken)).one()))
        over = (ITEMS.c.project_id == project_id) & (ITEMS.c.expires_us <= now_us)
        dropped = await tx.execute(delete(ITEMS).where(over).returning(ITEMS.c.expires_us, ITEMS.c.size_bytes))
        days: dict[str, int] = {}
        for expires_us, size_bytes in sorted(tuple(row) for row in dropped):
            sums = _meter(sums, expires_us // SECOND_US, days)
            sums = replace(sums, item_count=sums.item_count - 1, storage_bytes=sums.storage_bytes - size_bytes)
        sums = _meter(sums, now, days)
        await Meters(self.database).add(tx, {Meter(project_id, STORAGE, day): days[day] for day in days})
        await _note(tx, sums)
        return sums


def successor(prefix: str) -> str | None:
    """The first text behind all that begin with the prefix; None when there is none."""
    for position in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[position]) + 1
        if point <= HIGHEST:
            return prefix[:position] + chr(SURROGATES.stop if point in SURROGATES else point)
    return None


def _mine(project_id: str, key: str) -> ColumnElement[bool]:
    return (ITEMS.c.project_id == project_id) & (ITEMS.c.key == key)


def _alive(now_us: int) -> ColumnElement[bool]:
    return or_(ITEMS.c.expires_us.is_(None), ITEMS.c.expires_us > now_us)


def _page(project_id: str, page: KvPage) -> Select[tuple[object, ...]]:
    columns = [column for column in ITEMS.c if page.with_values or column.name != "value"]
    query = select(*columns).where(ITEMS.c.project_id == project_id).order_by(ITEMS.c.key).limit(page.limit)
    end = successor(page.prefix)
    if page.prefix:
        query = query.where(ITEMS.c.key >= page.prefix)
    if end is not None:
        query = query.where(ITEMS.c.key < end)
    return query if page.after is None else query.where(ITEMS.c.key > page.after)


async def _current(tx: Transaction, project_id: str, key: str) -> KvItem | None:
    columns = [column for column in ITEMS.c if column.name != "value"]
    row = (await tx.execute(select(*columns).where(_mine(project_id, key)))).one_or_none()
    return None if row is None else KvItem(**plain(row))


def _written(project_id: str, write: KvWrite, current: KvItem | None, now_us: int) -> KvItem:
    return KvItem(
        project_id=project_id,
        key=write.key,
        mode=write.mode,
        content_type=write.content_type,
        version=current.version + 1 if current else 1,
        size_bytes=len(write.key.encode()) + len(write.value),
        created_us=current.created_us if current else now_us,
        updated_us=now_us,
        expires_us=write.expires_us,
        value=write.value,
    )


def _changed(sums: KvSums, size_bytes: int, items: int, now_us: int) -> KvSums:
    return replace(
        sums,
        item_count=sums.item_count + items,
        storage_bytes=sums.storage_bytes + size_bytes,
        updated_us=max(now_us, sums.updated_us),
    )


async def _note(tx: Transaction, sums: KvSums) -> None:
    await tx.execute(update(TABLES).where(TABLES.c.project_id == sums.project_id).values(asdict(sums)))


def _meter(sums: KvSums, until: int, days: dict[str, int]) -> KvSums:
    """Adds the byte-seconds up to `until` to their days; what was metered already, by a clock that is ahead, stays."""
    for start, stop in by_day(sums.metered_at, until):
        day = instant(start).date().isoformat()
        days[day] = days.get(day, 0) + sums.storage_bytes * (stop - start)
    return replace(sums, metered_at=max(until, sums.metered_at))


def by_day(start: int, stop: int) -> Iterable[tuple[int, int]]:
    """At each midnight in UTC."""
    while start < stop:
        midnight = datetime.fromtimestamp(start, UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
        end = min(stop, int(midnight.timestamp()))
        yield start, end
        start = end

"""Envelopes and source maps taken, and what a project has used."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from handlers.core.app_telemetry.events import Envelope, Event, Period, Rejected, read_event, shared_attributes
from handlers.core.app_telemetry.symbols import Fitting, MapsAtHand, Symbols, base_name, find_in
from handlers.core.app_telemetry.tariff import EVENT_UNITS, Tariff
from handlers.core.errors import Conflict, Invalid, PaymentRequired, TooLarge
from handlers.core.source_maps import BadMap
from storage.blobs.interface import Blobs
from storage.database import Database, Transaction
from storage.errors import StorageConflict
from storage.repositories.app_events import AppEvents
from storage.repositories.blobs import BlobRows
from storage.repositories.meters import Meter, Meters
from storage.repositories.projects import Projects
from storage.repositories.source_maps import SourceMaps, StoredMap
from storage.repositories.telemetry import WholeSpan, put_spans
from storage.tables.types import instant

UNITS, EVENTS, ERRORS = "app_telemetry.units", "app_telemetry.events", "app_telemetry.errors"
MAP_BYTES = "app_telemetry.map_bytes"
LARGEST_MAP_BYTES = 32 * 2**20
MOST_WARNINGS = 20
UPLOAD_SECONDS = 3600
LONGEST_NAME = 1024
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Days that events and, unused, maps are kept; `rate` is the share of events that is. Errors are all kept."""

    event_days: int = 30
    map_days: int = 90
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Ingested:
    accepted: int
    rejected: int
    units: int
    billed_units: int
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewMap:
    """`content` is the map, as it is or in gzip."""

    release: str
    artifact_name: str
    file_name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    map: StoredMap
    organisation_id: str
    billed_units: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a month in UTC, `2026-03`."""

    organisation_id: str
    month: str
    units: int
    billed_units: int
    cost_usd: float
    events: int
    errors: int


@dataclass(frozen=True, slots=True)
class AppTelemetry:
    """Every method but `tariff` names the project, and raises `StorageError`."""

    database: Database
    blobs: Blobs
    at_hand: MapsAtHand
    clock: Callable[[], float]
    new_id: Callable[[str], str]
    tariff: Tariff
    keeping: Keeping

    async def ingest(self, project_id: str, envelope: Envelope) -> Ingested:
        """All of it that may be taken is on disk when this returns. Raises `Invalid` for an envelope of which nothing
        can be, and `PaymentRequired` for one that the month's units do not suffice for."""
        now = instant(self.clock())
        period = Period(now, now - timedelta(days=self.keeping.event_days), self._expiry(now))
        events, refusals = await asyncio.to_thread(self._read, envelope, period)
        wanted = {(event.release, file) for event in events if event.release for file in _files(event)}
        symbols = Symbols(SourceMaps(self.database), self.blobs, self.at_hand)
        fitting = await symbols.fitting(project_id, wanted, now) if wanted else {}
        spans = await asyncio.to_thread(_spans, project_id, events, period.expires_at, fitting)
        taken, month_units = await self._write(project_id, list(zip(events, spans, strict=True)), period)
        units = sum(EVENT_UNITS[event.type] for event in taken)
        return Ingested(
            accepted=len(events),
            rejected=len(envelope.events) - len(events),
            units=units,
            billed_units=self._billed(month_units, units),
            warnings=_warnings(refusals, len(events) - len(taken), wanted - fitting.keys()),
        )

    async def upload(self, project_id: str, new: NewMap) -> Upload:
        """Takes the place of one of the same release and names; the same again changes nothing. Raises `Invalid` for
        what is no source map, `TooLarge`, and `PaymentRequired`."""
        for name in ("release", "artifact_name", "file_name", "content_type"):
            _check_name(name, getattr(new, name))
        now = instant(self.clock())
        content, packed = await asyncio.to_thread(_pack, new.content)
        map_id = self.new_id("srcmap")
        fresh = StoredMap(
            id=map_id,
            project_id=project_id,
            release=new.release,
            artifact_name=new.artifact_name,
            file_name=new.file_name,
            artifact_base=base_name(new.artifact_name),
            file_base=base_name(new.file_name),
            content_type=new.content_type,
            original_bytes=content.size_bytes,
            compressed_bytes=len(packed),
            sha256=content.sha256,
            blob_key=f"source-maps/{project_id}/{map_id}",
            created_at=now,
            used_at=now,
        )
        await BlobRows(self.database).announce(project_id, fresh.blob_key, instant(self.clock() + UPLOAD_SECONDS))
        await self.blobs.put(fresh.blob_key, _once(packed))
        try:
            stored, billed_units = await self._store(fresh)
        except StorageConflict:
            raise Conflict("another upload of this source map was quicker") from None
        return Upload(stored, await self._organisation(project_id), billed_units, self.tariff.cost_usd(billed_units))

    async def usage(self, project_id: str, month: str | None = None) -> Usage:
        """Of the current month, if none is named; in one that is not in the calendar nothing was used."""
        month = month or _month(instant(self.clock()))
        amounts = await Meters(self.database).of_month(project_id, month)
        units = amounts.get(UNITS, 0)
        billed = self.tariff.billed(units)
        counts = (amounts.get(EVENTS, 0), amounts.get(ERRORS, 0))
        organisation_id = await self._organisation(project_id)
        return Usage(organisation_id, month, units, billed, self.tariff.cost_usd(billed), *counts)

    async def _organisation(self, project_id: str) -> str:
        project = await Projects(self.database).get(project_id)
        return project.organisation_id if project else ""

    def _expiry(self, now: datetime) -> datetime:
        return now + timedelta(days=self.keeping.event_days)

    def _read(self, envelope: Envelope, period: Period) -> tuple[list[Event], Counter[str]]:
        """What may be taken, and why the others may not."""
        try:
            shared = shared_attributes(envelope)
        except Rejected as error:
            raise Invalid(str(error), param="resource") from None
        events: list[Event] = []
        refusals: Counter[str] = Counter()
        for told in envelope.events:
            try:
                event = read_event(told, shared, period, lambda: self.new_id("event"))
            except Rejected as error:
                refusals[str(error)] += 1
                continue
            if event.type == "error" or _share(event.sampled_by) < self.keeping.rate:
                events.append(event)
            else:
                refusals[f"only {self.keeping.rate:.4g} of all traces and sessions are kept"] += 1
        return events, refusals

    async def _write(
        self, project_id: str, reported: Sequence[tuple[Event, WholeSpan]], period: Period
    ) -> tuple[list[Event], int]:
        """Those that were not taken before, and the month's units with them."""
        keys = {event.key for event, _ in reported if event.key}
        async with self.database.writing() as tx:
            new = await AppEvents(self.database).take(tx, project_id, keys, period)
            taken: list[Event] = []
            spans: list[WholeSpan] = []
            for event, span in reported:
                if event.key is None or event.key in new:
                    new.discard(event.key or "")
                    taken.append(event)
                    spans.append(span)
            units = sum(EVENT_UNITS[event.type] for event in taken)
            errors = sum(event.type == "error" for event in taken)
            month = await self._meter(tx, project_id, {UNITS: units, EVENTS: len(taken), ERRORS: errors})
            await put_spans(self.database, tx, spans)
        return taken, month.get(UNITS, 0)

    async def _store(self, fresh: StoredMap) -> tuple[StoredMap, int]:
        """As it is stored, and the units beyond the free ones that it came to."""
        maps, project_id = SourceMaps(self.database), fresh.project_id
        async with self.database.writing() as tx:
            known = await maps.find(tx, fresh)
            if known is not None and known.sha256 == fresh.sha256:
                return known, 0
            fresh = replace(fresh, id=known.id if known else fresh.id)
            await maps.put(tx, fresh, known)
            month = await self._meter(tx, project_id, {MAP_BYTES: fresh.compressed_bytes})
            before = month[MAP_BYTES] - fresh.compressed_bytes
            units = self.tariff.map_units(month[MAP_BYTES]) - self.tariff.map_units(before)
            month = await self._meter(tx, project_id, {UNITS: units})
            return fresh, self._billed(month.get(UNITS, 0), units)

    async def _meter(self, tx: Transaction, project_id: str, amounts: Mapping[str, int]) -> Mapping[str, int]:
        """The month's amounts then; what is added is locked until the transaction ends, so that they are exact."""
        now = instant(self.clock())
        day, meters = now.date().isoformat(), Meters(self.database)
        await meters.add(tx, {Meter(project_id, kind, day): amount for kind, amount in amounts.items() if amount})
        month = await meters.of_month(project_id, _month(now), tx)
        if amounts.get(UNITS) and not self.tariff.allows(month[UNITS]):
            message = f"the {self.tariff.free_units} units of the month do not suffice for this"
            raise PaymentRequired(message, code="app_telemetry_units_used_up")
        return month

    def _billed(self, month_units: int, units: int) -> int:
        """Of the last `units` of a month."""
        return self.tariff.billed(month_units) - self.tariff.billed(month_units - units)


@dataclass(frozen=True, slots=True)
class _Content:
    size_bytes: int
    sha256: str


def _pack(content: bytes) -> tuple[_Content, bytes]:
    """Reads it, too: what cannot be read is not stored."""
    from handlers.core.source_maps.parse import read_map

    if content.startswith(GZIP):
        content = _unpack(content)
    if len(content) > LARGEST_MAP_BYTES:
        raise TooLarge(f"a source map may have {LARGEST_MAP_BYTES} bytes", param="content_base64")
    try:
        read_map(content)
    except BadMap as error:
        raise Invalid(f"this is no source map: {error}", code="invalid_source_map", param="content_base64") from None
    return _Content(len(content), hashlib.sha256(content).hexdigest()), zlib.compress(content, wbits=31)


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(packed, LARGEST_MAP_BYTES + 1)
    except zlib.error:
        raise Invalid("this is no gzip", code="invalid_source_map", param="content_base64") from None
    if len(content) <= LARGEST_MAP_BYTES and not unpacker.eof:
        raise Invalid("this gzip is broken off", code="invalid_source_map", param="content_base64")
    return content


def _spans(project_id: str, events: Sequence[Event], expires_at: datetime, fitting: Fitting) -> list[WholeSpan]:
    return [event.span(project_id, expires_at, find_in(fitting, event.release)) for event in events]


def _files(event: Event) -> set[str]:
    return {frame.file for thrown in event.thrown for frame in thrown.frames if frame.file}


def _warnings(refusals: Counter[str], known: int, unfit: set[tuple[str, str]]) -> list[str]:
    warnings = [f"{count} left out: {reason}" for reason, count in refusals.items()]
    if known:
        warnings.append(f"{known} had been taken before, and are not counted again")
    warnings += [f"no source map of release {release} fits {file[:200]}" for release, file in sorted(unfit)]
    return warnings[:MOST_WARNINGS]


def _share(text: str) -> float:
    """In [0, 1), the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


def _check_name(name: str, text: str) -> None:
    if not text.strip() or len(text) > LONGEST_NAME or "\0" in text:
        raise Invalid(f"{name} must have 1 to {LONGEST_NAME} characters, none of them NUL", param=name)


def _month(moment: datetime) -> str:
    return moment.date().isoformat()[:7]


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content

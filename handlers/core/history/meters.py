"""What is metered of a request, made from its record: prompt tokens, those of them that the vendor had kept, and
completion tokens, each with its share of the cost. The shares of a request add up to what it cost.

A service is a kind of request (`chat`, `embedding`, ...). Tokens that cost nothing are free: those of answers that were
kept, under the caller's own keys, and of models without a price.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from handlers.core.call import Call
from handlers.core.history.records import find_place, no_such_cursor
from handlers.core.kinds import KINDS
from storage.ledger_record import Record
from storage.repositories.history import PAGE_ROWS, Which, place_of

INPUT, CACHED, OUTPUT = "input_tokens", "cached_input_tokens", "output_tokens"
METERS = (INPUT, CACHED, OUTPUT)
SERVICES = tuple(dict.fromkeys(KINDS.values()))
MOST_READ = 5_000


@dataclass(frozen=True, slots=True)
class MeterEvent:
    record: Record
    meter: str
    quantity: int
    cost_micros: int

    @property
    def id(self) -> str:
        return f"{self.record.request_id}.{self.meter}"

    @property
    def service(self) -> str:
        return self.record.kind or ""

    @property
    def free_quantity(self) -> int:
        return 0 if self.cost_micros else self.quantity


@dataclass(slots=True)
class MeterTotal:
    """Of one meter of one service."""

    service: str
    meter: str
    events: int = 0
    quantity: int = 0
    free_quantity: int = 0
    cost_micros: int = 0

    def add(self, event: MeterEvent) -> None:
        self.events += 1
        self.quantity += event.quantity
        self.free_quantity += event.free_quantity
        self.cost_micros += event.cost_micros


@dataclass(frozen=True, slots=True)
class Metered:
    """Which meter events are asked for: of these requests, and of these meters."""

    which: Which
    meters: frozenset[str]

    def events(self, record: Record) -> list[MeterEvent]:
        return [event for event in meter_events(record) if event.meter in self.meters]


@dataclass(frozen=True, slots=True)
class MeterPage:
    totals: Sequence[MeterTotal]
    events: Sequence[MeterEvent]
    next_cursor: str | None


def meter_events(record: Record) -> Iterator[MeterEvent]:
    prompt_cost, cached_cost = record.prompt_cost_micros, record.cached_cost_micros
    amounts = (
        (INPUT, record.prompt_tokens - record.cached_tokens, prompt_cost),
        (CACHED, record.cached_tokens, cached_cost),
        (OUTPUT, record.completion_tokens, record.cost_micros - prompt_cost - cached_cost),
    )
    for meter, quantity, cost_micros in amounts:
        if quantity > 0:
            yield MeterEvent(record, meter, quantity, cost_micros)


def choose(which: Which, service: str | None, meter: str | None, search: str | None) -> Metered:
    """`search` is a part of a service's or a meter's name, or a request's id."""
    services = [one for one in SERVICES if service is None or one == service]
    meters = [one for one in METERS if meter is None or one == meter]
    if search:
        wanted = search.casefold()
        of_service, of_meter = [one for one in services if wanted in one], [one for one in meters if wanted in one]
        if of_service:
            services = of_service
        elif of_meter:
            meters = of_meter
        else:
            which = replace(which, request_id=search.rpartition(".")[0] or search)
    return Metered(replace(which, kinds=services, finished=True), frozenset(meters))


async def list_meter_events(metered: Metered, call: Call, *, limit: int, cursor: str | None) -> MeterPage:
    """`cursor` is the id of the last event of the page before. The totals are of all pages. Raises `NotFound`."""
    request_id, last_meter = _read(cursor)
    place, events = await find_place(request_id, metered.which, call), []
    read, rows = 0, min(PAGE_ROWS, limit + 1)
    if place is not None and last_meter is not None:
        record = await call.services.history.get(place.request_id, metered.which.project_id)
        later = METERS[METERS.index(last_meter) + 1 :]
        events += [event for event in metered.events(record) if event.meter in later] if record else []
    while len(events) <= limit and read < MOST_READ:
        records = await call.services.history.page(metered.which, rows, place)
        if not records:
            break
        read, rows = read + len(records), PAGE_ROWS
        place = place_of(records[-1])
        events += [event for record in records for event in metered.events(record)]
    following = events[limit - 1].id if len(events) > limit else None
    if following is None and place is not None and read >= MOST_READ:
        following = f"{place.request_id}.{METERS[-1]}"
    return MeterPage(await total_meters(metered, call), events[:limit], following)


async def walk_meter_events(metered: Metered, call: Call) -> AsyncIterator[list[MeterEvent]]:
    async for records in call.services.history.walk(metered.which):
        yield [event for record in records for event in metered.events(record)]


async def total_meters(metered: Metered, call: Call) -> list[MeterTotal]:
    """In the order of services and meters; those without an event are left out."""
    if metered.which.request_id is not None:
        records = await call.services.history.page(metered.which, 1)
        return add_up(event for record in records for event in metered.events(record))
    sums = await call.services.history.sums(metered.which, "kind")
    totals = [total for (kind,), figures in sorted(sums.items()) for total in _totals(kind, figures) if total.events]
    return [total for total in totals if total.meter in metered.meters]


def add_up(events: Iterator[MeterEvent]) -> list[MeterTotal]:
    totals: dict[tuple[str, str], MeterTotal] = {}
    for event in events:
        key = (event.service, event.meter)
        totals.setdefault(key, MeterTotal(*key)).add(event)
    return list(totals.values())


def _totals(kind: str, figures: Mapping[str, int]) -> Iterator[MeterTotal]:
    prompt, cached = figures["prompt_cost_micros"], figures["cached_cost_micros"]
    uncached = figures["prompt_tokens"] - figures["cached_tokens"]
    yield MeterTotal(kind, INPUT, figures["prompt_meters"], uncached, figures["free_prompt_tokens"], prompt)
    yield MeterTotal(
        kind, CACHED, figures["cached_meters"], figures["cached_tokens"], figures["free_cached_tokens"], cached
    )
    yield MeterTotal(
        kind,
        OUTPUT,
        figures["completion_meters"],
        figures["completion_tokens"],
        figures["free_completion_tokens"],
        figures["cost_micros"] - prompt - cached,
    )


def _read(cursor: str | None) -> tuple[str | None, str | None]:
    if cursor is None:
        return None, None
    request_id, _, meter = cursor.rpartition(".")
    if meter not in METERS:
        raise no_such_cursor()
    return request_id, meter

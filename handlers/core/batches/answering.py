"""The rows of one batch, asked for a few at a time and written down in groups.

A row's request is in the ledger before the row has ended. When a process dies in between, the row is asked for again
under the same request id, of which the ledger keeps the first: it is billed once. A row that has ended is not asked
for again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from handlers.core.batches import lines
from handlers.core.batches.desk import Asked, Desk
from handlers.core.call import Caller
from handlers.core.errors import CoreError
from handlers.core.services import Services
from storage.errors import StorageError, StorageUnavailable
from storage.repositories.batches import Batch, Batches, Done, Item, ItemStatus
from storage.tables.types import instant

AT_ONCE = 32
TRIES = 6
"""Of a row whose vendor fails, with pauses of 1, 2, 4 ... seconds at least. A limit of the project's own is waited for
as long as the batch has time."""
LOOK_SECONDS = 0.5
"""How often is looked whether the batch was cancelled, or its time is over."""
LOADED_ROWS = 500
LOADED_BYTES = 16 * 2**20
WRITTEN_ROWS = 500
PENDING: tuple[ItemStatus] = ("pending",)
Report = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Place:
    """A batch and what its rows ask for."""

    batch: Batch
    operation_id: str
    urls: frozenset[str]


class Answering:
    """`report` is told how much of the batch is done, from 0 to 1, after each write."""

    def __init__(self, place: Place, desk: Desk, services: Services, report: Report) -> None:
        self._place = place
        self._batch = batch = place.batch
        self._desk = desk
        self._services = services
        self._batches = Batches(services.jobs.database)
        self._report = report
        models = None if batch.models is None else frozenset(batch.models)
        self._who = Caller(batch.project_id, batch.project, batch.key_id, models=models)
        self._ahead: deque[tuple[Item, bytes]] = deque()
        self._last = -1
        self._loading = asyncio.Lock()
        self._stop = asyncio.Event()
        self._done: asyncio.Queue[Done | None] = asyncio.Queue(4 * WRITTEN_ROWS)
        self._ended = batch.completed + batch.failed

    async def run(self) -> None:
        """Until no row is left, the batch is to be cancelled, or its time is over; what is being asked for then is
        waited for. Raises `StorageUnavailable`."""
        try:
            await self._run()
        except* (CoreError, StorageError) as failed:
            raise _first(failed) from failed

    async def _run(self) -> None:
        await self._look()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            watching = group.create_task(self._watch())
            async with asyncio.TaskGroup() as asking:
                for _ in range(AT_ONCE):
                    asking.create_task(self._work_off())
            watching.cancel()
            await self._done.put(None)

    async def _work_off(self) -> None:
        while (taken := await self._take()) is not None:
            done = await self._ask(*taken)
            if done is not None:
                await self._done.put(done)

    async def _take(self) -> tuple[Item, bytes] | None:
        async with self._loading:
            if not self._ahead and not self._stop.is_set():
                await self._load()
        return self._ahead.popleft() if self._ahead and not self._stop.is_set() else None

    async def _load(self) -> None:
        items = await self._batches.items(self._batch.id, self._last, LOADED_ROWS, PENDING)
        near = [item for item in items if item.start + item.size_bytes - items[0].start <= LOADED_BYTES] or items[:1]
        if not near:
            return
        start, stop = near[0].start, near[-1].start + near[-1].size_bytes
        pieces = await self._services.files.blobs.get(self._batch.blob_key, start, stop)
        if pieces is None:
            raise StorageUnavailable(f"the input of {self._batch.id} is gone")
        text = b"".join([piece async for piece in pieces])
        for item in near:
            at = item.start - start
            self._ahead.append((item, text[at : at + item.size_bytes]))
        self._last = near[-1].number

    async def _ask(self, item: Item, text: bytes) -> Done | None:
        """None for a row that is to be left as it is."""
        _, body = lines.read(text, self._place.urls)
        asked = Asked(self._place.operation_id, body, self._who, lines.request_id(self._batch.id, item.number))
        failures = 0
        while True:
            told = await self._desk.ask(asked)
            failures += not told.by_limit
            if told.wait_seconds is None or failures >= TRIES:
                break
            if not await self._pause(max(told.wait_seconds, 2.0 ** (failures - 1))):
                return None
        await self._desk.record(told)
        line = lines.answered(self._batch.id, item, told.status, told.body)
        return Done(item.number, "completed" if told.status < 400 else "failed", line)

    async def _pause(self, seconds: float) -> bool:
        """False when the batch is over before that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        return not self._stop.is_set()

    async def _write(self) -> None:
        is_open = True
        while is_open:
            done = [await self._done.get()]
            while not self._done.empty() and len(done) < WRITTEN_ROWS:
                done.append(self._done.get_nowait())
            is_open = done[-1] is not None
            rows = [one for one in done if one is not None]
            if rows:
                await self._batches.settle(self._batch, rows, instant(self._services.clock()))
                self._ended += len(rows)
                await self._report(self._ended / self._batch.total)

    async def _watch(self) -> None:
        bell = self._services.jobs.bell(self._batch.id)
        while not self._stop.is_set():
            await bell.wait(bell.ticket(), LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        found = await self._batches.get(self._batch.project_id, self._batch.id)
        is_wanted = found is not None and found.status == "in_progress"
        if not is_wanted or instant(self._services.clock()) >= self._batch.deadline_at:
            self._stop.set()


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    error = failed.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

"""What a run remembers of itself, so that after a crash no call that had ended is made again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from handlers.core.jobs import JobEvent, Run
from handlers.core.record_json import unpack_record
from storage.ledger_record import Record

CALL, TOOL = "rlm.call", "rlm.tool"


class Journal(Protocol):
    """An entry is found by its place in the run and by the digest of what was asked there. An entry of the kind `CALL`
    holds the `record` of its call."""

    def find(self, place: str, digest: str) -> Any: ...

    async def note(self, kind: str, entry: Mapping[str, Any]) -> None:
        """`entry` has `place`, `digest` and `value`, JSON values."""
        ...


class Forgetful:
    """For a run that ends with the request that asked for it."""

    def find(self, place: str, digest: str) -> Any:
        return None

    async def note(self, kind: str, entry: Mapping[str, Any]) -> None:
        """Nobody will ask."""


class Told:
    """In the events of a job's step; `before` are those that it told when it was tried before."""

    def __init__(self, run: Run, before: Iterable[JobEvent]) -> None:
        self._run = run
        self._kept = {(event.data["place"], event.data["digest"]): event.data["value"] for event in before}
        self._telling = asyncio.Lock()

    def find(self, place: str, digest: str) -> Any:
        return self._kept.get((place, digest))

    async def note(self, kind: str, entry: Mapping[str, Any]) -> None:
        async with self._telling:  # one after the other, so that there is no gap when one of them is not told
            await self._run.emit(kind, dict(entry))


def records_of(events: Iterable[JobEvent]) -> list[Record]:
    """Of the calls among the events."""
    return [unpack_record(event.data["record"]) for event in events if event.kind == CALL]

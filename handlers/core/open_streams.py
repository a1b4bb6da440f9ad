"""The event streams of inference that are open, in all processes.

Each process counts its own as they go, and tells the others through the database every second while it has any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

from handlers.core.errors import Unavailable
from storage.errors import StorageError
from storage.ledger_record import Record
from storage.repositories.open_streams import OpenStreams
from storage.tables.types import instant

TELL_SECONDS = 1.0
TOLD_AGAIN_SECONDS = 10.0
"""Others forget what a process told whose lease ran out, as it does when the database was away."""
KEPT_UP_A_SECOND = 250
"""So many streams are looked at in a second: with more, each is looked at less often."""
SHOWN_AT_ONCE = 100

TOOL_MARKS = (b'"tool_calls":[', b"function_call_arguments.delta", b'"type":"tool_call"')
CONTENT_MARKS = (b'"content":"', b"output_text.delta", b'"delta":{"text"', b'"type":"text"', b'"text":"')
OPENAI_CONTENT = b'"delta":{"content":"'
"""The event that is nearly all there is, and needs no search for other marks."""


class Frames(bytes):
    """Frames that go out together. `kinds` are, in their order, one that stands for how many that differ from it in
    words alone."""

    kinds: Sequence[tuple[bytes, int]]

    @classmethod
    def of(cls, written: Sequence[tuple[bytes, bytes, int]]) -> bytes:
        """Of texts, each with its kind."""
        if len(written) == 1 and written[0][2] == 1:
            return written[0][0]
        frames = cls(b"".join([text for text, _, _ in written]))
        frames.kinds = [(one, number) for _, one, number in written]
        return frames


@dataclass(slots=True, eq=False)
class Gauge:
    """Counts one stream, once `record` says whose it is. `last_event_at` is unix seconds."""

    clock: Callable[[], float] = time
    fallback_count: int = 0
    record: Record | None = None
    cancels_on_disconnect: bool = True
    event_count: int = 0
    bytes_sent: int = 0
    content_delta_count: int = 0
    tool_delta_count: int = 0
    last_event_at: float = 0.0
    last_frame: bytes = b""

    def count(self, frame: bytes) -> None:
        """Also `Frames`."""
        self.bytes_sent += len(frame)
        self.last_event_at = self.clock()
        for one, number in frame.kinds if type(frame) is Frames else ((frame, 1),):
            self.event_count += number
            self.last_frame = one
            if OPENAI_CONTENT in one and b"tool_calls" not in one:
                self.content_delta_count += number
            elif _has(TOOL_MARKS, one):
                self.tool_delta_count += number
            elif _has(CONTENT_MARKS, one):
                self.content_delta_count += number

    def show(self, process_id: str) -> dict[str, Any]:
        """Times are unix seconds. No word of what was said."""
        record = self.record
        if record is None:
            raise RuntimeError("the stream was not opened")
        return {
            "stream_id": f"{process_id}/{record.request_id}",
            "instance_id": process_id,
            "operation_id": record.operation_id,
            "request_id": record.request_id,
            "key_id": record.key_id,
            "project_id": record.project_id,
            "model": record.model,
            "upstream_model": record.upstream_model,
            "provider": record.provider,
            "started_at": record.started_at,
            "last_event_at": self.last_event_at or record.started_at,
            "last_event_kind": self._kind(),
            "event_count": self.event_count,
            "bytes_sent": self.bytes_sent,
            "content_delta_count": self.content_delta_count,
            "tool_delta_count": self.tool_delta_count,
            "replayed": bool((record.metadata or {}).get("cache_hit")),
            "cancel_on_disconnect": self.cancels_on_disconnect,
            "fallback_count": self.fallback_count,
        }

    def _kind(self) -> str:
        """The event's own name where it has one."""
        if self.last_frame.startswith(b"event: "):
            return self.last_frame[len(b"event: ") : self.last_frame.index(b"\n")].decode()
        if _has(TOOL_MARKS, self.last_frame):
            return "tool_delta"
        return "content_delta" if _has(CONTENT_MARKS, self.last_frame) else "data"


def _has(marks: Sequence[bytes], frame: bytes) -> bool:
    return any(map(frame.__contains__, marks))


@dataclass(frozen=True, slots=True)
class Survey:
    """`processes` serve, each with at most `limit` streams."""

    processes: int
    limit: int
    streams: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Streams:
    """`limit` is how many this process may have open. Run `run` as long as it serves."""

    repository: OpenStreams
    process_id: str
    limit: int
    clock: Callable[[], float]
    _open: set[Gauge] = field(default_factory=set)

    @property
    def pace_seconds(self) -> float:
        """How often what is known of each stream is brought up to date."""
        return max(TELL_SECONDS, len(self._open) / KEPT_UP_A_SECOND)

    def open(self, gauge: Gauge, record: Record) -> None:
        """The stream is among those that are open until it is closed. Raises `Unavailable` when there are too many."""
        if len(self._open) >= self.limit:
            raise Unavailable("too many streams are open", code="streams_exhausted", headers={"Retry-After": "1"})
        gauge.record, gauge.clock = record, self.clock
        self._open.add(gauge)

    def close(self, gauge: Gauge) -> None:
        self._open.discard(gauge)

    async def survey(self) -> Survey:
        """Those of this process as they are now, those of others as they were a moment ago; the oldest first."""
        told = await self.repository.living(instant(self.clock()))
        told[self.process_id] = await self._shown()
        streams = sorted((stream for shown in told.values() for stream in shown), key=lambda s: float(s["started_at"]))
        return Survey(len(told), self.limit, streams)

    async def run(self) -> None:
        told: list[dict[str, Any]] | None = None
        told_at = 0.0
        while True:
            shown, now = await self._shown(), self.clock()
            try:
                if shown != told or now - told_at >= TOLD_AGAIN_SECONDS:
                    await self.repository.tell(self.process_id, shown, instant(now))
                    await self.repository.bury()
                    told, told_at = shown, now
            except StorageError:
                pass  # the next time may get through
            await asyncio.sleep(self.pace_seconds)

    async def _shown(self) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        for gauge in tuple(self._open):
            shown.append(gauge.show(self.process_id))
            if len(shown) % SHOWN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return shown

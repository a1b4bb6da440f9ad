"""Giving an answer again that was kept: under an id of its own, and for nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, cast

import orjson

from handlers.core import metering
from handlers.core.answer_cache import Kept
from handlers.core.asks import Burst, Chunk, each
from handlers.core.call import Call
from handlers.core.catalog import Deployment
from handlers.core.metering import Meter
from handlers.core.routing import Attempt

MOST_TAPED_BYTES = 4 * 2**20
"""A stream that is longer is not kept."""
PIECES_AT_ONCE = 64


class Stream(Protocol):
    @property
    def attempt(self) -> Attempt: ...

    @property
    def bursts(self) -> AsyncIterator[Burst]: ...

    @property
    def meter(self) -> Meter: ...


async def admit(kept: Kept, attempts: Sequence[Attempt], call: Call) -> tuple[Attempt, Meter]:
    """Who gave the answer, and a meter that shows its tokens and no cost. It counts as a request, and its record says
    `cache_hit`. Raises `RateLimited` and `PaymentRequired`."""
    gave = _place(kept.deployment, kept.route_id)
    attempt = next(attempt for attempt in attempts if _place(attempt.deployment, attempt.route_id) == gave)
    meter = await metering.admit_hit(attempt, call)
    meter.replay(attempt, kept.usage, kept.finish_reason)
    call.record.metadata = {**(call.record.metadata or {}), "cache_hit": True}
    return attempt, meter


def _place(deployment: Deployment, route_id: str | None) -> tuple[str, str, str | None]:
    """What stays of a deployment when the operator weighs it anew."""
    return deployment.vendor, deployment.model, route_id


def keep_body(attempt: Attempt, body: dict[str, Any], meter: Meter) -> Kept:
    return _keep(attempt, (orjson.dumps(body),), meter)


def body(kept: Kept, attempt: Attempt, call: Call) -> dict[str, Any]:
    parsed = orjson.loads(kept.pieces[0])
    return {**parsed, "id": _new_id(parsed, call), "model": attempt.model.id}


async def bursts(kept: Kept, call: Call) -> AsyncIterator[Burst]:
    head = orjson.loads(kept.pieces[0])
    old, new = (b'"id":' + orjson.dumps(name) for name in (head.get("id"), _new_id(head, call)))
    for start in range(0, len(kept.pieces), PIECES_AT_ONCE):
        yield [Chunk(raw=piece.replace(old, new, 1)) for piece in kept.pieces[start : start + PIECES_AT_ONCE]]


async def tape(stream: Stream, settle: Callable[[Kept | None], None]) -> AsyncIterator[Burst]:
    """The stream's bursts, kept when it has come to its end; `settle` is called in any case."""
    pieces: list[bytes] = []
    left, kept = MOST_TAPED_BYTES, None
    try:
        async with aclosing(cast(AsyncGenerator[Burst, None], stream.bursts)) as relayed:
            async for burst in relayed:
                for chunk in each(burst):
                    left -= len(chunk.raw)
                    if left >= 0:
                        pieces.append(chunk.raw)
                yield burst
        if left >= 0:
            kept = _keep(stream.attempt, tuple(pieces), stream.meter)
    finally:
        settle(kept)


def _keep(attempt: Attempt, pieces: tuple[bytes, ...], meter: Meter) -> Kept:
    return Kept(attempt.deployment, pieces, meter.usage, meter.call.record.finish_reason, attempt.route_id)


def _new_id(head: dict[str, Any], call: Call) -> str:
    return call.services.new_id("cmpl" if head.get("object") == "text_completion" else "chatcmpl")

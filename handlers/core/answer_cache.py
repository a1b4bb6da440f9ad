"""Answers that were given before, for a project that asks the very same again.

Asked while the first such call is still under way, others wait for it and get what it got; should it fail, or its
client hang up, one of them asks the vendor for itself. Where answers are kept is behind the port `Answers`; in memory,
as here, each process has its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import orjson

from handlers.core.asks import ChatAsk, Usage
from handlers.core.call import Call
from handlers.core.catalog import Deployment

if TYPE_CHECKING:
    from handlers.core.routing import Attempt

PIECE_BYTES = 100
"""What keeping a piece takes besides its text."""
LARGEST_SHARE = 8
"""An answer that takes more than this part of the whole room is not kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """`pieces` is JSON: the body of a whole answer, or each chunk of a stream. `route_id` names the container that it
    was asked through."""

    deployment: Deployment
    pieces: tuple[bytes, ...]
    usage: Usage
    finish_reason: str | None
    route_id: str | None = None

    @property
    def size_bytes(self) -> int:
        return sum(len(piece) + PIECE_BYTES for piece in self.pieces)


class Answers(Protocol):
    """Kept answers by key, for as long as they hold good."""

    def get(self, key: bytes) -> Kept | None: ...

    def put(self, key: bytes, kept: Kept) -> None: ...


class AnswersInMemory:
    """At most `most_bytes`, each for `seconds`; the one that was not asked for the longest gives way."""

    def __init__(self, most_bytes: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Kept]] = OrderedDict()
        self._size_bytes = 0

    def get(self, key: bytes) -> Kept | None:
        found = self._kept.get(key)
        if found is None:
            return None
        until, kept = found
        if self._clock() >= until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: bytes, kept: Kept) -> None:
        if kept.size_bytes * LARGEST_SHARE > self._most_bytes:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (self._clock() + self._seconds, kept)
        self._size_bytes += kept.size_bytes
        while self._size_bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        self._size_bytes -= self._kept.pop(key)[1].size_bytes


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """`by_default` is for requests that do not say whether they want it."""

    answers: Answers
    by_default: bool = False
    _running: dict[bytes, asyncio.Future[Kept | None]] = field(default_factory=dict)

    def key(self, attempts: Sequence[Attempt], call: Call) -> bytes | None:
        """None for a request that is to be answered anew, as one that brings its own keys is. Everything that may
        change the answer is in the key: the project first, and what each place that may give it would be asked, with
        a container's defaults."""
        ask = attempts[0].ask
        mode = ask.steering.cache
        if mode == "bypass" or (mode == "default" and not self.by_default) or ask.keys.given:
            return None
        variants = list({id(attempt.ask): attempt.ask for attempt in attempts}.values())
        numbers = {id(variant): number for number, variant in enumerate(variants)}
        asked = [
            call.caller.project_id,
            call.record.streamed,
            ask.models,
            sorted((one.deployment.vendor, one.deployment.model, numbers[id(one.ask)]) for one in attempts),
            [[one.messages if isinstance(one, ChatAsk) else one.prompts, one.options] for one in variants],
            isinstance(ask, ChatAsk),
            ask.keys.policy,
            str(ask.max_cost_usd),
        ]
        try:
            return sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()
        except orjson.JSONEncodeError:  # the vendor's call will say so
            return None

    async def find(self, key: bytes) -> Kept | None:
        """None makes the caller the one who asks, for all who come meanwhile: it must `settle`, whatever happens."""
        while True:
            kept = self.answers.get(key)
            running = self._running.get(key)
            if kept is not None or running is None:
                break
            await asyncio.wait([running])
            if kept := running.result():
                break
        if kept is None:
            self._running[key] = asyncio.get_running_loop().create_future()
        return kept

    def settle(self, key: bytes, kept: Kept | None) -> None:
        """`kept` is what came of it, None for nothing that others could use."""
        self._running.pop(key).set_result(kept)
        if kept is not None:
            self.answers.put(key, kept)

"""Faults that a model name scripts.

error-NNN     refused with that HTTP status (429 names the seconds to wait)
slow-NNNms    waits so long before the answer, and before each further event of a stream
hang          never answers
cut-stream    breaks the connection, a stream after its first events
empty         answers with nothing
bad-json      answers with what is not JSON
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from providers.errors import BrokenAnswer, TimedOut, Unavailable
from providers.vendor import Detail, error_for

RETRY_AFTER_SECONDS = 1

_ERROR = re.compile(r"error-([45]\d\d)")
_SLOW = re.compile(r"slow-(\d{1,6})ms")


@dataclass(frozen=True, slots=True)
class Fault:
    status: int | None = None
    delay_seconds: float = 0.0
    hang: bool = False
    cut: bool = False
    empty: bool = False
    broken: bool = False

    async def strike(self, hang_seconds: float) -> None:
        """What happens before the first byte of an answer. Others get their turn even where nothing does."""
        await asyncio.sleep(self.delay_seconds)
        if self.hang:
            await asyncio.sleep(hang_seconds)
            raise TimedOut("the simulator did not answer, as its model name asks")
        if self.status is not None:
            message = f"the simulator answers {self.status}, as its model name asks"
            raise error_for(self.status, message, Detail(retry_after_seconds=RETRY_AFTER_SECONDS))
        if self.broken:
            raise BrokenAnswer("the simulator answered with what is not JSON, as its model name asks", status=200)

    def cut_whole(self) -> None:
        if self.cut:
            raise Unavailable("the simulator broke the connection, as its model name asks")


def fault_of(model: str) -> Fault:
    if match := _ERROR.fullmatch(model):
        return Fault(status=int(match[1]))
    if match := _SLOW.fullmatch(model):
        return Fault(delay_seconds=int(match[1]) / 1000)
    return _NAMED.get(model, Fault())


_NAMED = {
    "hang": Fault(hang=True),
    "cut-stream": Fault(cut=True),
    "empty": Fault(empty=True),
    "bad-json": Fault(broken=True),
}

"""Streams of OpenAI's chunks, of which nearly all differ from the one before in their words alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from operator import methodcaller
from typing import Any

import orjson

from providers.errors import ProviderError
from providers.inference.interface import Burst, Chunk, Run, Shape
from providers.inference.openai_answer import Part, head, mend, usage_of
from providers.vendor_api import VendorApi

Json = dict[str, Any]

CONTENT = re.compile(rb'"content": ?(?=")')
_PLAIN = rb'[^"\\\x00-\x09\x0b-\x1f]*'
_HEX = rb"[\da-fA-F]"
_UNIT = rb"u(?:[\da-cefA-CEF]%b|[dD][0-7]%b|[dD][89abAB]%b\\u[dD][c-fC-F]%b)" % (_HEX * 3, _HEX * 2, _HEX * 2, _HEX * 2)
LINES = re.compile(rb'%b(?:\\(?:["\\/bfnrt]|%b)%b)*' % (_PLAIN, _UNIT, _PLAIN))
"""Lines of what may stand between the quotes of a JSON string."""
LESSONS = 3
"""A stream whose events differ in more than words is not looked at for longer."""


class Reading:
    """One stream. `finished` is whether a choice has come to its end, `fault` what ended the stream."""

    def __init__(self, api: VendorApi, part: Part, new_id: Callable[[], str], clock: Callable[[], float]) -> None:
        self.finished = False
        self.fault: ProviderError | None = None
        self._api = api
        self._part = part
        self._new_id, self._clock = cache(new_id), cache(clock)  # one answer, one id
        self._usual = Pattern()

    def burst(self, events: list[bytes]) -> Burst:
        """What came together. Should one of it be no chunk, `fault` says why, and those before it are given out."""
        burst: Burst = []
        place = 0
        try:
            while place < len(events):
                end = self._usual.reach(events, place)
                if run := self._usual.run(events[place:end]):
                    burst.append(run)
                else:
                    end = max(end, place + 1)
                    burst += map(self._piece, events[place:end])
                place = end
        except ProviderError as error:
            self.fault = error
        return burst

    def _piece(self, event: bytes) -> Chunk | Run:
        return self._usual.run([event]) or self._chunk(event)

    def _chunk(self, event: bytes) -> Chunk:
        """As it came; written anew only where the vendor's words are not OpenAI's, or its JSON would not fit on one
        line. Raises `BrokenAnswer`, and the vendor's own errors."""
        parsed = self._api.checked(event)
        changed = "choices" not in parsed or b"\n" in event
        changed = mend(parsed, self._part, self._api) or changed
        changed = head(parsed, self._new_id, self._clock) or changed
        final = any(map(_finish_reason, parsed["choices"]))
        self.finished = self.finished or final
        usage = usage_of(parsed.get("usage")) if final or not parsed["choices"] else None
        if not (changed or final or usage):
            self._usual.learn(event, parsed)
        return Chunk(raw=None if changed else event, body=parsed, usage=usage)


_finish_reason = methodcaller("get", "finish_reason")


class Pattern:
    """Knows events by their bytes: one that has been read, is sent on as it came, and says nothing but words, is the
    same as another event with other words, which then needs no reading."""

    __slots__ = ("_lessons", "_shape")

    def __init__(self) -> None:
        self._shape: Shape | None = None
        self._lessons = LESSONS

    def reach(self, events: list[bytes], place: int) -> int:
        """Up to where, from `place` on, events begin and end as the known one does."""
        shape = self._shape
        if shape is not None:
            head, tail = shape.head, shape.tail
            while place < len(events) and events[place].startswith(head) and events[place].endswith(tail):
                place += 1
        return place

    def run(self, events: list[bytes]) -> Run | None:
        """None unless they all differ from the known one in words alone."""
        shape = self._shape
        if shape is None or not events:
            return None
        together, joints = b"\n".join(events), len(events) - 1
        size = len(together) - len(shape.head) - len(shape.tail)
        if size < 0 or not (together.startswith(shape.head) and together.endswith(shape.tail)):
            return None
        lines = together[len(shape.head) : len(shape.head) + size].replace(shape.joint, b"\n")
        if len(lines) != size - joints * (len(shape.joint) - 1) or lines.count(b"\n") != joints:
            return None
        if LINES.fullmatch(lines) is None:
            return None
        return Run(shape, lines) if lines.isascii() or _is_utf8(lines) else None

    def learn(self, raw: bytes, parsed: Json) -> None:
        """`parsed` is `raw`, which is neither the last event of its choice nor has a usage."""
        choices = parsed["choices"]
        if not self._lessons or len(choices) != 1 or choices[0].get("delta", {}).keys() != {"content"}:
            return
        if choices[0].get("logprobs"):
            return
        self._lessons -= 1
        places = list(CONTENT.finditer(raw))
        words = LINES.match(raw, places[0].end() + 1) if len(places) == 1 else None
        if words is None or not raw.startswith(b'"', words.end()):
            return
        if orjson.loads(b'"%b"' % words[0]) == choices[0]["delta"]["content"]:
            self._shape = Shape(raw[: words.start()], raw[words.end() :])


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True

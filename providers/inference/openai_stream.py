"""Streams of OpenAI's chunks, of which nearly all differ from the one before in their words alone."""

from __future__ import annotations

import re
from collections.abc import Callable
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
        self._new_id, self._clock = new_id, clock
        self._id: str | None = None
        self._created: float | None = None
        self._usual = Pattern()

    def burst(self, events: list[bytes]) -> Burst:
        """What came together. Should one of it be no chunk, `fault` says why, and those before it are given out."""
        burst: Burst = []
        try:
            while events:
                run = self._usual.run(events)
                burst.append(run or self._chunk(events[0]))
                events = events[run.number if run else 1 :]
        except ProviderError as error:
            self.fault = error
        return burst

    def _chunk(self, event: bytes) -> Chunk:
        """As it came; written anew only where the vendor's words are not OpenAI's, or its JSON would not fit on one
        line. Raises `BrokenAnswer`, and the vendor's own errors."""
        parsed = self._api.checked(event)
        changed = "choices" not in parsed or b"\n" in event
        changed = mend(parsed, self._part, self._api) or changed
        changed = head(parsed, self._own_id, self._own_moment) or changed
        final = any(map(_finish_reason, parsed["choices"]))
        self.finished = self.finished or final
        usage = usage_of(parsed.get("usage")) if final or not parsed["choices"] else None
        if not (changed or final or usage):
            self._usual.learn(event, parsed)
        return Chunk(raw=None if changed else event, body=parsed, usage=usage)

    def _own_id(self) -> str:
        """One answer, one id."""
        self._id = self._id or self._new_id()
        return self._id

    def _own_moment(self) -> float:
        self._created = self._clock() if self._created is None else self._created
        return self._created


_finish_reason = methodcaller("get", "finish_reason")


class Pattern:
    """Knows events by their bytes: one that has been read, is sent on as it came, and says nothing but words, is the
    same as another event with other words, which then needs no reading."""

    __slots__ = ("_lessons", "_patience", "_shape")

    def __init__(self) -> None:
        self._shape: Shape | None = None
        self._lessons = self._patience = LESSONS

    def run(self, events: list[bytes]) -> Run | None:
        """The first events, as far as they differ from the known one in words alone."""
        shape = self._shape
        if shape is None:
            return None
        head, tail = shape.head, shape.tail
        begin, end = len(head), -len(tail)
        words: list[bytes] = []
        for event in events:
            if not (event.startswith(head) and event.endswith(tail)):
                break
            said = event[begin:end]
            if not said and len(event) < begin - end:
                break
            words.append(said)
        if not words:
            return None
        lines = b"\n".join(words)
        reach = _reach(lines)
        if reach < len(lines):
            reach = lines.rfind(b"\n", 0, reach)
        if reach >= 0 and lines.count(b"\n") == len(words) - 1:
            return Run(shape, lines[:reach])
        self._patience -= 1
        if not self._patience:
            self._shape, self._lessons = None, 0
        return None

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


def _reach(lines: bytes) -> int:
    """How far they are what may stand in a JSON string."""
    words = LINES.match(lines)
    reach = words.end() if words else 0
    if not lines.isascii():
        try:
            lines.decode()
        except UnicodeDecodeError as error:
            reach = min(reach, error.start)
    return reach

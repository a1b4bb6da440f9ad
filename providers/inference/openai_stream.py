"""Streams of OpenAI's chunks, of which nearly all differ from the one before in their words alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from operator import methodcaller
from typing import Any

import orjson

from providers.inference.interface import Chunk
from providers.inference.openai_answer import Part, head, mend, usage_of
from providers.vendor_api import VendorApi

Json = dict[str, Any]

CONTENT = re.compile(rb'"content": ?(?=")')
WORDS = re.compile(rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*')
"""What may stand between the quotes of a JSON string."""
LESSONS = 3
"""A stream whose events differ in more than words is not looked at for longer."""


class Reading:
    """One stream. `finished` is whether a choice has come to its end."""

    def __init__(self, api: VendorApi, part: Part, new_id: Callable[[], str], clock: Callable[[], float]) -> None:
        self.finished = False
        self._api = api
        self._part = part
        self._new_id, self._clock = cache(new_id), cache(clock)  # one answer, one id
        self._usual = Pattern()

    def chunk(self, event: bytes) -> Chunk:
        """As it came; written anew only where the vendor's words are not OpenAI's, or its JSON would not fit on one
        line. Raises `BrokenAnswer`, and the vendor's own errors."""
        if self._usual.fits(event):
            return Chunk(raw=event)
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
    """Knows an event by its bytes: one that has been read, is sent on as it came, and says nothing but words, is the
    same as another event with other words, which then needs no reading."""

    __slots__ = ("_head", "_lessons", "_tail")

    def __init__(self) -> None:
        self._head = self._tail = b""
        self._lessons = LESSONS

    def fits(self, raw: bytes) -> bool:
        head, tail = self._head, self._tail
        if not head or not raw.startswith(head) or not raw.endswith(tail):
            return False
        if WORDS.fullmatch(raw, len(head), len(raw) - len(tail)) is None:
            return False
        return raw.isascii() or _is_utf8(raw)

    def learn(self, raw: bytes, parsed: Json) -> None:
        """`parsed` is `raw`, which is neither the last event of its choice nor has a usage."""
        choices = parsed["choices"]
        if not self._lessons or len(choices) != 1 or choices[0].get("delta", {}).keys() != {"content"}:
            return
        self._lessons -= 1
        places = list(CONTENT.finditer(raw))
        words = orjson.dumps(choices[0]["delta"]["content"])
        if len(places) != 1 or not raw.startswith(words, places[0].end()) or not words.startswith(b'"'):
            return
        begin = places[0].end() + 1
        self._head, self._tail = raw[:begin], raw[begin + len(words) - 2 :]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True

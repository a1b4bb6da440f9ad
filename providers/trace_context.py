"""The distributed trace that a request belongs to (W3C Trace Context), taken from its headers and passed on to vendors.

Source: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

PARENT = re.compile(r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
STATE = re.compile(r"[\x20-\x7e]{1,512}\Z")
NAMES = ("traceparent", "tracestate")
SAMPLED = "01"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """`span_id` is the span below which whatever gets this belongs; `state` is other tracing systems' own."""

    trace_id: str
    span_id: str
    flags: str = SAMPLED
    state: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        parent = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{self.flags}"}
        return parent if self.state is None else {**parent, "tracestate": self.state}


outgoing: ContextVar[TraceContext | None] = ContextVar("outgoing", default=None)
"""What vendors are told by the task that is under way."""


def read(headers: Mapping[str, str]) -> TraceContext | None:
    """None where there is none, or one that is not valid: that is as good as none."""
    text = headers.get("traceparent")
    if text is None:
        return None
    found = PARENT.match(text)
    if found is None or not _is_valid(found, text[found.end() :]):
        return None
    state = headers.get("tracestate")
    return TraceContext(found["trace"], found["span"], found["flags"], state if state and STATE.match(state) else None)


def passed_on() -> dict[str, str]:
    """The headers for a vendor."""
    context = outgoing.get()
    return {} if context is None else context.headers


def _is_valid(found: re.Match[str], rest: str) -> bool:
    """Later versions may have more fields."""
    if found["version"] == "ff" or not found["trace"].strip("0") or not found["span"].strip("0"):
        return False
    return not rest if found["version"] == "00" else not rest or rest.startswith("-")

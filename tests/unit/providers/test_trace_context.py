"""Trace contexts as the W3C has them."""

from __future__ import annotations

import pytest

from providers import trace_context
from providers.trace_context import TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_parent_is_read_and_written_again() -> None:
    given = {"traceparent": f"00-{TRACE}-{SPAN}-00", "tracestate": "vendor=opaque,other=1"}
    context = trace_context.read(given)
    assert context == TraceContext(TRACE, SPAN, "00", "vendor=opaque,other=1")
    assert context.headers == given


def test_later_versions_may_say_more() -> None:
    assert trace_context.read({"traceparent": f"cc-{TRACE}-{SPAN}-01-what-comes"}) == TraceContext(TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_what_is_not_valid_is_as_good_as_none(text: str) -> None:
    assert trace_context.read({"traceparent": text}) is None


def test_a_state_that_is_not_valid_is_left_out() -> None:
    for state in ("", "ü", "a" * 513):
        context = trace_context.read({"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": state})
        assert context is not None
        assert context.state is None

"""What every implementation of `Inference` makes of a vendor's faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from providers.errors import (
    BrokenAnswer,
    ProviderError,
    Refused,
    Throttled,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from providers.http import Timeouts
from providers.inference.interface import Burst, Chunk, each
from tests.contract.providers.fake_vendor import Reply, sse_reply
from tests.contract.providers.rigs import KEY, OTHER_SECRET, PATIENT, Mode, Rig, rig_of
from tests.contract.providers.wires import ANTHROPIC, OPENAI

MODES = pytest.mark.parametrize("mode", ["whole", "stream"])

ERRORS: list[tuple[int, type[ProviderError]]] = [
    (400, Refused),
    (401, Unauthorized),
    (402, Unauthorized),
    (403, Unauthorized),
    (404, Refused),
    (413, Refused),
    (422, Refused),
    (429, Throttled),
    (500, Unavailable),
    (503, Unavailable),
    (529, Unavailable),
]


@MODES
@pytest.mark.parametrize(("status", "expected"), ERRORS)
async def test_a_vendors_error_keeps_its_meaning(
    rig: Rig, mode: Mode, status: int, expected: type[ProviderError]
) -> None:
    rig.failing(status, f"The key {KEY} of {OTHER_SECRET} does not please us")
    with pytest.raises(ProviderError) as caught:
        await rig.call(mode, rig.request("text"))
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert KEY not in str(caught.value) + repr(caught.value)
    assert OTHER_SECRET not in str(caught.value) + repr(caught.value)
    if rig.vendor is not None and status != 401:
        assert "does not please us" in caught.value.message


@MODES
async def test_a_refusal_names_parameter_and_code(remote: Rig, mode: Mode) -> None:
    remote.failing(400, "No")
    with pytest.raises(Refused) as caught:
        await remote.call(mode, remote.request("text"))
    assert caught.value.code == "some_code"
    assert caught.value.param == ("temperature" if remote.kind == "openai" else None)


@MODES
@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0.2", 1), ("Fri, 15 Jan 2027 08:00:10 GMT", 10), ("Fri, 15 Jan 2021 08:00:10 GMT", 0), ("soon", None)],
)
async def test_the_wait_that_a_vendor_asks_for_is_kept(
    remote: Rig, mode: Mode, value: str, seconds: int | None
) -> None:
    remote.failing(429, "Slow down", **{"Retry-After": value})
    with pytest.raises(Throttled) as caught:
        await remote.call(mode, remote.request("text"))
    assert caught.value.retry_after_seconds == seconds


async def test_the_simulator_names_the_wait() -> None:
    async with rig_of("simulator") as rig:
        rig.failing(429, "")
        with pytest.raises(Throttled) as caught:
            await rig.inference.chat(rig.request("text"))
        assert caught.value.retry_after_seconds == 1


@MODES
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"<html><body>Bad gateway</body></html>", "text/html"),
        (b"upstream connect error", "text/plain"),
        (b'{"nothing": "known"}', "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b'{"error": "just text"}', "application/json"),
        (b'{"detail": [{"msg": "wrong"}]}', "application/json"),
        (b"\xff\xfe\x00", "application/octet-stream"),
    ],
)
async def test_an_error_in_no_known_shape_is_still_an_error(
    remote: Rig, mode: Mode, body: bytes, content_type: str
) -> None:
    remote.answering(Reply([body] if body else [], status=502, content_type=content_type))
    with pytest.raises(Unavailable) as caught:
        await remote.call(mode, remote.request("text"))
    assert caught.value.status == 502
    assert caught.value.message.startswith("acme: ")
    assert "<html>" not in caught.value.message


@MODES
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b'{"choices": 1, "content": 1}', b"<html>"])
async def test_an_answer_that_is_none_is_broken(remote: Rig, mode: Mode, body: bytes) -> None:
    remote.answering(Reply([body] if body else []))
    with pytest.raises(BrokenAnswer):
        await remote.call(mode, remote.request("text"))


@pytest.mark.parametrize("event", [b"{", b"[]", b"nonsense"])
async def test_an_event_that_is_no_json_object_is_broken(remote: Rig, event: bytes) -> None:
    wire = (OPENAI if remote.kind == "openai" else ANTHROPIC)["text"][1]
    remote.answering(sse_reply([*wire[:3], b"data: " + event + b"\n\n", *wire[3:]]))
    with pytest.raises(BrokenAnswer):
        await remote.chunks(remote.request("text"))


@MODES
async def test_an_error_with_status_200_is_an_error(remote: Rig, mode: Mode) -> None:
    fault = b'{"type":"error","error":{"type":"rate_limit_error","message":"Too many"}}'
    remote.answering(Reply([fault]))
    with pytest.raises(Throttled, match="Too many"):
        await remote.call(mode, remote.request("text"))


async def test_an_error_within_a_stream_ends_it(remote: Rig) -> None:
    fault = b'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    wire = (OPENAI if remote.kind == "openai" else ANTHROPIC)["text"][1]
    remote.answering(sse_reply([*wire[:4], fault]))
    with pytest.raises(Unavailable, match="Overloaded"):
        await remote.chunks(remote.request("text"))


async def test_a_stream_without_an_end_is_unavailable(rig: Rig) -> None:
    if rig.vendor is None:
        rig.model = "cut-stream"
    else:
        wire = (OPENAI if rig.kind == "openai" else ANTHROPIC)["text"][1]
        rig.answering(sse_reply(wire[:4]))
    with pytest.raises(Unavailable):
        await rig.chunks(rig.request("text"))


async def test_what_came_before_a_cut_was_given_out(rig: Rig) -> None:
    if rig.vendor is None:
        rig.model = "cut-stream"
    else:
        wire = (OPENAI if rig.kind == "openai" else ANTHROPIC)["text"][1]
        rig.answering(sse_reply(wire[:5], after="cut"))
    stream = rig.inference.stream_chat(rig.request("text"))
    seen: list[Chunk] = []
    with pytest.raises(Unavailable):
        await collect(stream, seen)
    assert seen[0].body["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(chunk.body["choices"][0]["delta"].get("content") or "" for chunk in seen)


@MODES
async def test_silence_times_out(hasty: Rig, mode: Mode) -> None:
    if hasty.vendor is None:
        hasty.model = "hang"
    else:
        hasty.answering(Reply(before="stall"))
    with pytest.raises(TimedOut):
        await hasty.call(mode, hasty.request("text"))


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_stalled_stream_times_out(kind: str) -> None:
    async with rig_of(kind, replace(PATIENT, idle_seconds=0.5)) as rig:
        wire = (OPENAI if kind == "openai" else ANTHROPIC)["text"][1]
        rig.answering(sse_reply(wire[:4], after="stall"))
        with pytest.raises(TimedOut):
            await rig.chunks(rig.request("text"))


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@MODES
async def test_cancelling_ends_the_vendors_work(kind: str, mode: Mode) -> None:
    async with rig_of(kind, Timeouts()) as rig:
        assert rig.vendor is not None
        rig.answering(Reply(before="stall"))
        task = asyncio.ensure_future(rig.call(mode, rig.request("text")))
        await rig.vendor.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(rig.vendor.gone.wait(), 60)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_closing_a_stream_ends_the_vendors_work(kind: str) -> None:
    async with rig_of(kind, Timeouts()) as rig:
        assert rig.vendor is not None
        wire = (OPENAI if kind == "openai" else ANTHROPIC)["text"][1]
        rig.answering(sse_reply(wire[:4], after="stall"))
        stream: Any = rig.inference.stream_chat(rig.request("text"))
        await anext(stream)
        await stream.aclose()
        await asyncio.wait_for(rig.vendor.gone.wait(), 60)


async def test_closing_leaves_no_tasks(rig: Rig) -> None:
    before = asyncio.all_tasks()
    rig.ready("text")
    stream: Any = rig.inference.stream_chat(rig.request("text"))
    await anext(stream)
    await stream.aclose()
    await rig.inference.close()
    serving = 0 if rig.vendor is None else rig.vendor.connections
    assert len(asyncio.all_tasks() - before) <= serving


async def collect(stream: AsyncIterator[Burst], seen: list[Chunk]) -> None:
    async for burst in stream:
        seen += each(burst)

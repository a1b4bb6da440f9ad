"""A run is written as each of its chunks would be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from handlers.core.asks import Burst, Chunk, Run, Shape, Usage, each
from handlers.core.chat import Stream
from handlers.core.open_streams import Frames, Gauge
from handlers.llama_stack_deprecated.choices import chat_chunk
from handlers.wire.llama import events
from handlers.wire.openai_chat import Style, frames

HEAD = (
    b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"theirs",'
    b'"choices":[{"index":0,"delta":{"content":"'
)
TAIL = b'"},"logprobs":null,"finish_reason":null}],"usage":null}'
END = Chunk(raw=HEAD[: -len('"content":"')] + b'},"finish_reason":"stop"}],"usage":null}')
OTHER = Shape(HEAD.replace(b'"c"', b'"@words@"'), TAIL)
RUNS = {
    "plain": Run(Shape(HEAD, TAIL), b" one\n two\n three"),
    "escapes": Run(Shape(HEAD, TAIL), rb"\"model\":\"theirs\"" + b"\n" + rb",\"usage\":null" + b"\n@words@"),
    "empty words": Run(Shape(HEAD, TAIL), b"\n\nlast"),
    "a shape with what stands for words": Run(OTHER, b"a\nb"),
    "a model that is not named": Run(Shape(HEAD.replace(b'"model":"theirs",', b""), TAIL), b"a\nb"),
}
WAYS: dict[str, Callable[[Stream], AsyncIterator[bytes]]] = {
    "as it came": lambda stream: frames(stream, Style(include_usage=True)),
    "without usage": lambda stream: frames(stream, Style(include_usage=False)),
    "edited": lambda stream: frames(stream, Style(include_usage=False, edit=chat_chunk, done=False)),
    "llama": lambda stream: events.chat_stream(stream).events,
}


async def sent(way: str, bursts: list[Burst]) -> list[bytes]:
    async def play() -> AsyncIterator[Burst]:
        for burst in bursts:
            yield burst

    deployment = SimpleNamespace(vendor="acme")
    attempt = SimpleNamespace(model=SimpleNamespace(id="ours"), simulated=False, deployment=deployment)
    stream = Stream(cast(Any, attempt), play(), cast(Any, SimpleNamespace(usage=Usage(1, 2))))
    return [frames async for frames in WAYS[way](stream)]


async def written(way: str, bursts: list[Burst]) -> list[Any]:
    texts = [text.removeprefix(b"data: ") for text in b"".join(await sent(way, bursts)).split(b"\n\n") if text]
    return [text if text == b"[DONE]" else orjson.loads(text) for text in texts]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", RUNS)
async def test_a_run_is_written_as_its_chunks_are(name: str, way: str) -> None:
    run = RUNS[name]
    for together in ([[run, END]], [[run], [RUNS["plain"], run], [END]]):
        one_by_one: list[Burst] = [[chunk] for burst in together for chunk in each(burst)]
        assert await written(way, together) == await written(way, one_by_one)


def test_events_that_go_out_together_are_counted_each() -> None:
    said = [
        b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":" a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":" b"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"c","tool_calls":[{"index":0}]}}]}\n\n',
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n',
    ]
    one, several = Gauge(clock=lambda: 5.0), Gauge(clock=lambda: 5.0)
    for frame in said:
        one.count(frame)
    several.count(Frames.of([(frame, frame, 1) for frame in said]))
    assert vars_of(one) == vars_of(several)
    assert (several.event_count, several.content_delta_count, several.tool_delta_count) == (5, 3, 1)
    assert several.bytes_sent == sum(map(len, said))


@pytest.mark.parametrize("way", WAYS)
async def test_a_run_is_counted_as_its_chunks_are(way: str) -> None:
    run = RUNS["plain"]
    together, one_by_one = Gauge(clock=lambda: 5.0), Gauge(clock=lambda: 5.0)
    for frame in await sent(way, [[run, END]]):
        together.count(frame)
    for frame in await sent(way, [[chunk] for chunk in each([run, END])]):
        one_by_one.count(frame)
    assert {**vars_of(together), "last_frame": b""} == {**vars_of(one_by_one), "last_frame": b""}
    framing = 2 if way == "llama" else 0
    assert together.content_delta_count == run.number + framing


def vars_of(gauge: Gauge) -> dict[str, Any]:
    return {name: getattr(gauge, name) for name in Gauge.__slots__ if name != "clock"}

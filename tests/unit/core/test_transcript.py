from __future__ import annotations

from typing import Any

from handlers.core.transcript import MANY_CHUNKS, join, join_all
from providers.inference.interface import Chunk


def chunk(*choices: dict[str, Any], **more: Any) -> Chunk:
    return Chunk(body={"id": "c", "created": 1, "model": "m", "choices": list(choices)} | more)


def piece(index: int = 0, reason: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": reason, "logprobs": logprobs}


def calling(**more: Any) -> list[dict[str, Any]]:
    return [more]


def test_texts_add_up_by_choice_under_the_first_id() -> None:
    joined = join(
        [
            chunk(piece(role="assistant", content="He", reasoning_content="th")),
            chunk(piece(1, content="x"), piece(content="llo", reasoning_content="ought"), id="another"),
            chunk(piece(1, "length"), piece(reason="stop")),
            chunk(),
        ]
    )
    first, second = joined["choices"]
    assert (joined["id"], joined["object"], joined["created"]) == ("c", "chat.completion", 1)
    assert (first["message"]["content"], first["message"]["reasoning_content"]) == ("Hello", "thought")
    assert (second["message"]["content"], second["index"]) == ("x", 1)
    assert (first["finish_reason"], second["finish_reason"]) == ("stop", "length")


def test_tool_calls_add_up_by_their_index_or_else_their_id() -> None:
    by_index = join(
        [
            chunk(piece(tool_calls=calling(index=0, id="a", function={"name": "f", "arguments": ""}))),
            chunk(piece(tool_calls=calling(index=1, id="b", function={"name": "g", "arguments": "{"}))),
            chunk(piece(tool_calls=calling(index=0, function={"arguments": "{}"}))),
            chunk(piece(tool_calls=calling(index=1, function={"arguments": "}"}))),
        ]
    )
    by_id = join(
        [
            chunk(piece(tool_calls=calling(id="a", function={"name": "f", "arguments": "{}"}))),
            chunk(piece(tool_calls=calling(id="b", function={"name": "g", "arguments": "{"}))),
            chunk(piece(tool_calls=calling(id="b", function={"arguments": "}"}))),
        ]
    )
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    for joined in (by_index, by_id):
        assert joined["choices"][0]["message"]["tool_calls"] == calls


def test_log_probabilities_are_one_list() -> None:
    joined = join(
        [
            chunk(piece(content="a", logprobs={"content": [1], "refusal": None})),
            chunk(piece(content="b", logprobs={"content": [2], "refusal": None})),
        ]
    )
    assert joined["choices"][0]["logprobs"] == {"content": [1, 2], "refusal": None}


async def test_a_long_stream_is_the_same_message() -> None:
    chunks = [chunk(piece(content=f"{number} ", logprobs={"content": [number]})) for number in range(2 * MANY_CHUNKS)]
    joined = await join_all(chunks)
    assert joined == join(chunks)
    (choice,) = joined["choices"]
    assert choice["message"]["content"].split() == [str(number) for number in range(2 * MANY_CHUNKS)]
    assert choice["logprobs"]["content"] == list(range(2 * MANY_CHUNKS))

from __future__ import annotations

import pytest

from providers import tokens


async def test_text_is_counted_in_the_vocabulary_o200k() -> None:
    assert await tokens.count_text("hello world") == 2
    assert await tokens.count_text("") == 0


@pytest.mark.parametrize("text", ["", "plain", "ümläut 👩‍👩‍👧 日本語", "a <|endoftext|> b", "x" * 5000])
async def test_pieces_joined_are_the_text(text: str) -> None:
    pieces = await tokens.split_text(text)
    assert "".join(piece.text for piece in pieces) == text
    assert sum(piece.tokens for piece in pieces) == await tokens.count_text(text)


async def test_a_lone_surrogate_is_replaced() -> None:
    assert "".join(piece.text for piece in await tokens.split_text("a\ud800b")) == "a�b"


async def test_millions_of_characters_are_counted() -> None:
    assert 500_000 <= await tokens.count_text("hello world " * 250_000) <= 500_100


async def test_all_that_a_message_says_is_counted() -> None:
    plain = await tokens.count_chat([{"role": "user", "content": "Hi"}])
    assert plain == tokens.MESSAGE_TOKENS + tokens.REPLY_TOKENS + await tokens.count_text("user\nHi")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    parts = [{"type": "text", "text": "Hi"}, picture]
    assert await tokens.count_chat([{"role": "user", "content": parts}]) == plain + tokens.IMAGE_TOKENS
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}
    assert await tokens.count_chat([{"role": "user", "content": "Hi", "tool_calls": [call]}]) > plain
    assert await tokens.count_chat([{"role": "user", "content": "Hi"}], [{"type": "function"}]) > plain

"""Counting tokens with OpenAI's `o200k_base` vocabulary, which is near enough for every vendor that sends no counts.

The vocabulary is loaded on first need (half a second, 140 MB), and like large texts never on the event loop.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

import orjson

Result = TypeVar("Result")

LARGE_CHARACTERS = 50_000
SLICE_CHARACTERS = 100_000
MESSAGE_TOKENS = 3
REPLY_TOKENS = 3
IMAGE_TOKENS = 85
"""What OpenAI charges for an image of low detail; the true number depends on the vendor and the picture."""


class Piece(NamedTuple):
    """The text of one token, or of the few tokens that share a character."""

    text: str
    tokens: int


async def count_text(text: str) -> int:
    return await _off_loop_if_slow(_count, text)


async def count_chat(messages: Iterable[Mapping[str, Any]], tools: Any = None) -> int:
    """Tokens of a prompt in OpenAI's chat shape, with the few that frame each message; pictures count as a constant."""
    messages = list(messages)
    texts: list[str] = []
    images = 0
    for message in messages:
        for value in message.values():
            images += _gather(value, texts)
    if tools:
        texts.append(orjson.dumps(tools).decode())
    counted = await count_text("\n".join(texts)) if texts else 0
    return counted + images * IMAGE_TOKENS + MESSAGE_TOKENS * len(messages) + REPLY_TOKENS


async def split_text(text: str) -> list[Piece]:
    """The text as its tokens; their texts joined are `text` again (lone surrogates replaced)."""
    return await _off_loop_if_slow(_split, text)


async def _off_loop_if_slow(function: Callable[[str], Result], text: str) -> Result:
    if len(text) > LARGE_CHARACTERS or _vocabulary.cache_info().currsize == 0:
        return await asyncio.to_thread(function, text)
    return function(text)


@cache
def _vocabulary() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its import reads files in a deprecated way
        import bpe_openai

    return bpe_openai.get_encoding("o200k_base")


def _count(text: str) -> int:
    return sum(len(_vocabulary().encode_ordinary(part)) for part in _slices(text))


def _split(text: str) -> list[Piece]:
    vocabulary, pieces = _vocabulary(), []
    held, tokens = b"", 0
    for part in _slices(text):
        for token in vocabulary.encode_ordinary(part):
            held, tokens = held + vocabulary.decode_single_token_bytes(token), tokens + 1
            try:
                pieces.append(Piece(held.decode(), tokens))
            except UnicodeDecodeError:
                continue
            held, tokens = b"", 0
    return pieces


def _slices(text: str) -> Iterator[str]:
    """The encoder refuses a million characters at once, and other threads run between slices."""
    for start in range(0, len(text), SLICE_CHARACTERS):
        yield text[start : start + SLICE_CHARACTERS]


def _gather(value: Any, texts: list[str]) -> int:
    """Appends every text inside a message's value; returns how many pictures there are."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, Mapping):
        if value.get("type") == "image_url":
            return 1
        return sum(_gather(item, texts) for key, item in value.items() if key not in ("type", "id"))
    elif isinstance(value, list):
        return sum(_gather(item, texts) for item in value)
    return 0

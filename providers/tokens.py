"""Counting tokens with OpenAI's `o200k_base` vocabulary, which is near enough for every vendor that sends no counts.

The vocabulary is loaded on first need (a tenth of a second, 70 MB), and like large texts not on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
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
    return await _off_loop_if_slow(count, text)


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
    return await _off_loop_if_slow(lambda whole: list(cut(whole)), text)


def count(text: str) -> int:
    """`count_text` for a thread that may take its time."""
    return sum(_vocabulary().count(part) for part in _slices(text))


def cut(text: str) -> Iterator[Piece]:
    """`split_text` for a thread that may take its time, and of a text that may be too large to have as a list."""
    vocabulary = _vocabulary()
    held: list[int] = []
    for part in _slices(text):
        for token in vocabulary.encode(part):
            held.append(token)
            try:
                piece = Piece(vocabulary.decode(held), len(held))
            except ValueError:  # the rest of a character is in the next token
                continue
            held = []
            yield piece


async def _off_loop_if_slow(function: Callable[[str], Result], text: str) -> Result:
    if len(text) > LARGE_CHARACTERS or _vocabulary.cache_info().currsize == 0:
        return await asyncio.to_thread(function, text)
    return function(text)


@cache
def _vocabulary() -> Any:
    """The engine of `bpe_openai` without the package around it, whose import reads three vocabularies into
    dictionaries that are of no use here, in half a second and 80 MB."""
    package = find_spec("bpe_openai")
    spec = PathFinder.find_spec("_bindings", package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        raise ImportError("bpe_openai is not installed, or without its engine")
    bindings = module_from_spec(spec)
    spec.loader.exec_module(bindings)
    return bindings.tokenizer_for_encoding("o200k_base")


def _slices(text: str) -> Iterator[str]:
    """Portions between which other threads may run: the engine holds Python's lock while it works."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
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

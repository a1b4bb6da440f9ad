"""Exports: JSON that is written while its records are read, so that none is too long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar, cast

import orjson

from handlers.wire.reply import ByteStream

Record = TypeVar("Record")


def array(pages: AsyncIterator[Iterable[Any]], filename: str) -> ByteStream:
    """A JSON array of the pages' items."""
    return _download(_array(pages, b"[", lambda: b"]"), "application/json", filename)


def summary(pages: AsyncIterator[Iterable[Any]], closing: Callable[[], dict[str, Any]], filename: str) -> ByteStream:
    """An object with the pages' items as `records`, and what `closing` says when all were read: totals are those of
    the very records that were sent."""

    def end() -> bytes:
        return b"]," + orjson.dumps(closing())[1:]

    return _download(_array(pages, b'{"records":[', end), "application/json", filename)


def lines(pages: AsyncIterator[Iterable[Any]], filename: str) -> ByteStream:
    """NDJSON."""
    return _download(_lines(pages), "application/x-ndjson", filename)


def _download(chunks: AsyncIterator[bytes], media_type: str, filename: str) -> ByteStream:
    return ByteStream(chunks, None, media_type, headers={"content-disposition": f'attachment; filename="{filename}"'})


async def _array(
    pages: AsyncIterator[Iterable[Any]], opening: bytes, closing: Callable[[], bytes]
) -> AsyncIterator[bytes]:
    lead = opening
    async with aclosing(cast(Any, pages)):
        async for page in pages:
            # a page at a time: a few hundred records are a millisecond's work
            text = b",".join(orjson.dumps(item) for item in page)
            if text:
                yield lead + text
                lead = b","
    yield (opening if lead is opening else b"") + closing()


async def _lines(pages: AsyncIterator[Iterable[Any]]) -> AsyncIterator[bytes]:
    async with aclosing(cast(Any, pages)):
        async for page in pages:
            if text := b"".join(orjson.dumps(item) + b"\n" for item in page):
                yield text

"""Parquet files as JSON lines, read in a process of its own with limits on memory and time: what such a file says of
itself need not be true, and the library that reads it breaks down over one that is damaged.

Run as a program, this reads a file from standard input and writes one JSON object a line.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

MEMORY_BYTES = 2**31
CPU_SECONDS = 60
WALL_SECONDS = 120.0
MAX_OUTPUT_BYTES = 256 * 2**20


class Arro3Reader:
    """See `interface.ParquetReader`."""

    async def read(self, content: bytes) -> bytes:
        from providers.parquet.interface import Unreadable

        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        # isolated, for the program needs nothing of ours
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", __file__, stdin=pipe, stdout=pipe, stderr=nothing
        )
        try:
            async with asyncio.timeout(WALL_SECONDS):
                lines, _ = await process.communicate(content)
        except TimeoutError:
            raise Unreadable("the Parquet file takes too long to read") from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        if process.returncode:
            raise Unreadable("the Parquet file cannot be read: it is damaged, or takes too much memory or time")
        return lines


def main() -> None:
    """The whole life of the process."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    written = 0
    for line in _lines(sys.stdin.buffer.read()):
        written += len(line)
        if written > MAX_OUTPUT_BYTES:
            sys.exit(1)
        sys.stdout.buffer.write(line)


def _lines(content: bytes) -> Iterator[bytes]:
    import orjson
    from arro3.io import read_parquet

    for batch in read_parquet(io.BytesIO(content)):
        columns = [batch.column(number).to_pylist() for number in range(batch.num_columns)]
        for values in zip(*columns, strict=True):
            row = dict(zip(batch.schema.names, values, strict=True))
            yield orjson.dumps(row, _json, orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _json(value: Any) -> str:
    """What JSON has no word for, as text."""
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)


if __name__ == "__main__":
    main()

"""What one document may cost."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory_bytes` is address space. `unpacked_bytes` counts what comes out of an archive, `text_bytes` the text of
    the whole document in UTF-8: about five million tokens of English."""

    wall_seconds: float = 120.0
    cpu_seconds: int = 60
    memory_bytes: int = 768 * MEGABYTE
    unpacked_bytes: int = 500 * MEGABYTE
    text_bytes: int = 20 * MEGABYTE
    converter_memory_bytes: int = 4_000 * MEGABYTE
    converted_bytes: int = 200 * MEGABYTE

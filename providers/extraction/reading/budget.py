"""Counts what a document gives, while it gives it."""

from __future__ import annotations

from dataclasses import dataclass

from providers.errors import Unreadable
from providers.extraction.limits import MEGABYTE, Limits


@dataclass(slots=True)
class Budget:
    limits: Limits
    text_bytes: int = 0
    unpacked_bytes: int = 0

    def take_text(self, text: str) -> None:
        """Raises `Unreadable`."""
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if self.text_bytes > self.limits.text_bytes:
            raise Unreadable("too_large", f"the document holds more than {_megabytes(self.limits.text_bytes)} of text")

    def take_unpacked(self, size_bytes: int) -> None:
        """Raises `Unreadable`."""
        self.unpacked_bytes += size_bytes
        if self.unpacked_bytes > self.limits.unpacked_bytes:
            message = f"the document unpacks to more than {_megabytes(self.limits.unpacked_bytes)}"
            raise Unreadable("too_large", message)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / MEGABYTE:g} MB"

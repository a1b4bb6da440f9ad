"""Reading what search engines answer; they differ in where it stands and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from re import compile as pattern
from typing import Any

from providers.tools.interface import Hit

_TAG = pattern(r"<[^<>]{0,200}>")


def read_hits(found: Any, text_name: str, most: int) -> Sequence[Hit]:
    """`found` is the list of results; entries without an address are left out."""
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    hits = [Hit(_plain(entry.get("title")), str(entry["url"]), _plain(entry.get(text_name))) for entry in entries
            if isinstance(entry.get("url"), str)]  # fmt: skip
    return hits[:most]


def _plain(value: Any) -> str:
    """Engines mark the words they found in HTML."""
    return unescape(_TAG.sub("", value)).strip() if isinstance(value, str) else ""

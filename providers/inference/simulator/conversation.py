"""Reading a conversation: its fingerprint and the text of its messages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

QUOTED_CHARACTERS = 200


def digest_of(value: Any) -> str:
    packed = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2s(packed, digest_size=16).hexdigest()


def text_of(content: Any) -> str:
    """The text of a message's content, parts joined by a blank; a picture reads `[image]`."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(_text_of_part(part) for part in content if isinstance(part, dict))


def _text_of_part(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    return str(part.get("text", "")) if kind in ("text", "refusal") else f"[{str(kind).removesuffix('_url')}]"


def quoted(text: str) -> str:
    text = " ".join(text[: 10 * QUOTED_CHARACTERS].split())
    return f'"{text[:QUOTED_CHARACTERS]}…"' if len(text) > QUOTED_CHARACTERS else f'"{text}"'

"""Server-sent events as bytes."""

from __future__ import annotations

from typing import Any

import orjson

from handlers.wire.reply import Last

DONE = Last(b"data: [DONE]\n\n")
"""How OpenAI's streams end."""


def data(raw: bytes) -> bytes:
    """One event of one line; `raw` holds no newline."""
    return b"data: %b\n\n" % raw


def event(content: Any) -> bytes:
    return data(orjson.dumps(content))

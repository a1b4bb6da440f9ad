"""What may come with a request's record: the chat that is to be stored, and its place in a trace.

The ledger writes them in the same commit. A field stands for the column of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredChat:
    """A finished chat. `key` is the id of the request that made it, or one of our own for a chat made elsewhere; `id`
    is what clients know it by, which vendors may use twice. `container` is a label. `request` is JSON with `messages`
    and whatever else was asked, `answer` JSON with `created`, `choices` and `usage` in OpenAI's shapes; both are text,
    for they may hold a NUL, which no other type of Postgres keeps."""

    key: str
    project_id: str
    id: str
    created_at: datetime
    model: str | None
    provider: str | None
    container_id: str | None
    container: str | None
    cost_micros: int
    metadata: dict[str, Any] | None
    tags: list[str] | None
    trace: dict[str, Any] | None
    request: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """A request's place in its client's own tracing. `context` is what the client told of it."""

    request_id: str
    project_id: str
    trace_id: str
    at: datetime
    span_id: str | None
    parent_span_id: str | None
    name: str | None
    source: str | None
    container_id: str | None
    context: dict[str, Any]

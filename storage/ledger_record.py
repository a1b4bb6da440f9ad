"""One request as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from storage.captured import CapturedMessage
from storage.chat_record import StoredChat, TraceEntry

State = Literal["started", "completed", "failed", "interrupted"]


@dataclass(slots=True)
class Record:
    """Filled in on the way through a request; times are unix seconds (UTC), durations microseconds, money
    micro-dollars (1e-6 USD, an integer, so that sums are exact). `model` is the public id, `provider` the vendor
    row's name. `chat`, `trace` and `messages` are rows of other tables, written in the same commit: `chat` when the
    request has completed, `messages` when it has ended.

    `kind` is what was asked of a model (`chat`, `embedding`, ...), None for a request that asks none. `fallbacks` is
    how many places would rather have been asked than the one that answered; `tries` are the first of the `try_count`
    calls of vendors, in the order of their ends, and `requeues` counts those that came after one in vain. Of the cost,
    `cached_cost_micros` is for prompt tokens that the vendor had kept, `prompt_cost_micros` for the others of the
    prompt. `replay_of` is the request that this one repeats."""

    request_id: str
    api: str
    operation_id: str
    started_at: float
    project_id: str | None = None
    key_id: str | None = None
    state: State = "started"
    http_status: int | None = None
    error_code: str | None = None
    streamed: bool = False
    model: str | None = None
    provider: str | None = None
    upstream_model: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micros: int = 0
    duration_us: int | None = None
    first_byte_us: int | None = None
    finish_reason: str | None = None
    metadata: dict[str, Any] | None = None
    kind: str | None = None
    requested_model: str | None = None
    region: str | None = None
    fallbacks: int = 0
    cache_hit: bool = False
    prompt_cost_micros: int = 0
    cached_cost_micros: int = 0
    try_count: int = 0
    requeues: int = 0
    tries: list[dict[str, Any]] | None = None
    replay_of: str | None = None
    chat: StoredChat | None = None
    trace: TraceEntry | None = None
    messages: Sequence[CapturedMessage] = ()


FIELDS = tuple(name for name in Record.__slots__ if name not in ("chat", "trace", "messages"))
"""The fields that are columns of the request's own row."""

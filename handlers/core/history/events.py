"""The events of a request, made from its record: nothing is written for them beside it.

submitted, then for each call of a vendor `assigned`, and `requeued` where it was in vain and another followed;
`dedupe_hit` for an answer that was kept; `first_progress` with the first byte; at the end `completed`, `failed` or
`canceled`. A request that still runs has those of its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

from storage.ledger_record import Record

Actor = Literal["user", "node", "admin", "system"]
NAMESPACE = UUID("5f1c4b0e-7a55-4f0b-9c0f-6f6d0f6c2b11")
ENDS: Mapping[str, str] = {"completed": "completed", "failed": "failed", "interrupted": "canceled"}
"""The last event, by the state of the record."""
SYSTEM = "concordat"


@dataclass(frozen=True, slots=True)
class Event:
    """`sequence` counts from 1 within the request; `at` is unix seconds. An `actor_id` is a key of the project, or a
    vendor."""

    record: Record
    sequence: int
    kind: str
    at: float
    actor: Actor
    actor_id: str
    attrs: Mapping[str, Any]

    @property
    def id(self) -> UUID:
        """The same whenever it is asked for."""
        return uuid5(NAMESPACE, f"{self.record.request_id}/{self.sequence}")


@dataclass(frozen=True, slots=True)
class _Fact:
    at_us: int
    kind: str
    actor: Actor
    actor_id: str
    attrs: dict[str, Any] = field(default_factory=dict)


def events_of(record: Record) -> list[Event]:
    """Oldest first."""
    facts = sorted(_facts(record), key=lambda fact: fact.at_us)
    if end := ENDS.get(record.state):
        facts.append(_end(record, end, facts[-1].at_us))
    return [
        Event(record, number, fact.kind, record.started_at + fact.at_us / 1e6, fact.actor, fact.actor_id, fact.attrs)
        for number, fact in enumerate(facts, 1)
    ]


def _facts(record: Record) -> Iterator[_Fact]:
    asked = {"operation": record.operation_id, "api": record.api, "streamed": record.streamed}
    if record.requested_model is not None:
        asked["requested_model"] = record.requested_model
    if record.replay_of is not None:
        asked["replay_of"] = record.replay_of
    yield _Fact(0, "submitted", "user", record.key_id or SYSTEM, {"extra": asked})
    tries = record.tries or []
    for number, one in enumerate(tries):
        extra = {"provider": one["vendor"], "provider_model": one["model"], "fate": one["fate"]}
        extra["duration_ms"] = one["took_us"] // 1000
        yield _Fact(one["at_us"], "assigned", "node", one["vendor"], {"extra": extra})
        if one["fate"] != "answered" and number + 1 < len(tries):
            why = {"requeue_reason": one.get("error", one["fate"]), "node_fault": one["fate"] == "failed"}
            yield _Fact(one["at_us"] + one["took_us"], "requeued", "system", SYSTEM, why)
    if record.first_byte_us is not None:
        if record.cache_hit:
            yield _Fact(record.first_byte_us, "dedupe_hit", "system", SYSTEM, {"dedupe_path": "exact_cache"})
        else:
            yield _Fact(record.first_byte_us, "first_progress", "node", record.provider or SYSTEM)


def _end(record: Record, kind: str, last_us: int) -> _Fact:
    """A process that died left no time of its end."""
    at_us = max(last_us, record.duration_us or 0)
    if kind == "canceled":
        reason = record.error_code or "process_died"
        actor: Actor = "user" if reason == "hung_up" else "system"
        attrs = _account(record) | {"cancellation_reason": reason}
        return _Fact(at_us, kind, actor, record.key_id or SYSTEM if actor == "user" else SYSTEM, attrs)
    if kind == "failed":
        return _Fact(at_us, kind, "system", SYSTEM, _account(record) | {"error_class": record.error_code})
    actor_id = SYSTEM if record.cache_hit else record.provider or SYSTEM
    return _Fact(at_us, kind, "system" if actor_id == SYSTEM else "node", actor_id, _account(record))


def _account(record: Record) -> dict[str, Any]:
    extra = {
        "http_status": record.http_status,
        "provider": record.provider,
        "provider_model": record.upstream_model,
        "region": record.region,
        "fallback_count": record.fallbacks,
        "cache_hit": record.cache_hit,
    }
    return {
        "tokens_in": record.prompt_tokens,
        "tokens_out": record.completion_tokens,
        "token_details": token_details(record),
        "cost": record.cost_micros / 1_000_000,
        "finish_reason": record.finish_reason,
        "latency_split": latencies(record),
        "extra": {name: value for name, value in extra.items() if value is not None},
    }


def token_details(record: Record) -> dict[str, int]:
    return {
        "cached_input_tokens": record.cached_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "total_tokens": record.prompt_tokens + record.completion_tokens,
    }


def latencies(record: Record) -> dict[str, Any]:
    """Milliseconds. `prepare` is all before the first vendor was asked, `decode` all after the first byte of a stream;
    nobody waits in a queue here."""
    split: dict[str, Any] = {}
    if record.tries:
        split["prepare_ms"] = min(one["at_us"] for one in record.tries) // 1000
    if record.first_byte_us is not None:
        split["first_progress_ms"] = record.first_byte_us // 1000
    if record.duration_us is not None:
        split["total_ms"] = record.duration_us // 1000
    if record.streamed and record.first_byte_us is not None and record.duration_us is not None:
        decode_us = max(0, record.duration_us - record.first_byte_us)
        split["decode_ms"] = decode_us // 1000
        if decode_us:
            split["decode_tokens_per_second"] = record.completion_tokens / decode_us * 1_000_000
    return split

"""What a record tells as events."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.core.history.events import events_of, latencies
from handlers.core.history.meters import add_up, meter_events
from storage.ledger_record import Record

NOW = 1_790_000_000.0


def record_of(**fields: Any) -> Record:
    return Record("req_1", "ipop", "chat_completions_create", NOW, key_id="key_1", kind="chat", **fields)


def try_of(fate: str, at_us: int, **fields: Any) -> dict[str, Any]:
    return {"vendor": "openai", "model": "m", "at_us": at_us, "took_us": 500, "fate": fate, **fields}


def told(record: Record) -> list[str]:
    return [event.kind for event in events_of(record)]


FAILED, ANSWERED = try_of("failed", 100, error="TimedOut"), try_of("answered", 700)


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, ["submitted"]),
        ({"state": "failed"}, ["submitted", "failed"]),
        ({"state": "failed", "tries": [FAILED]}, ["submitted", "assigned", "failed"]),
        (
            {"state": "completed", "tries": [FAILED, ANSWERED], "first_byte_us": 1000, "duration_us": 2000},
            ["submitted", "assigned", "requeued", "assigned", "first_progress", "completed"],
        ),
        (
            # a hedge: the slower one is given up when the other has answered
            {"state": "completed", "tries": [ANSWERED, try_of("abandoned", 100)], "duration_us": 1500},
            ["submitted", "assigned", "assigned", "completed"],
        ),
        (
            {"state": "completed", "cache_hit": True, "first_byte_us": 10, "duration_us": 20},
            ["submitted", "dedupe_hit", "completed"],
        ),
        ({"state": "interrupted", "tries": [ANSWERED]}, ["submitted", "assigned", "canceled"]),
    ],
)
def test_events_follow_the_way_of_the_request(fields: dict[str, Any], kinds: list[str]) -> None:
    events = events_of(record_of(**fields))
    assert [event.kind for event in events] == kinds
    assert [event.sequence for event in events] == list(range(1, len(kinds) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_an_event_has_one_id_for_ever_and_shares_it_with_none() -> None:
    record = record_of(state="completed", tries=[FAILED, ANSWERED])
    ids = [event.id for event in events_of(record)]
    assert ids == [event.id for event in events_of(record)]
    assert len(set(ids)) == len(ids)


def test_why_another_was_asked_is_told() -> None:
    requeued = events_of(record_of(tries=[FAILED, ANSWERED]))[2]
    assert requeued.attrs == {"requeue_reason": "TimedOut", "node_fault": True}


@pytest.mark.parametrize(
    ("error_code", "actor", "reason"), [("hung_up", "user", "hung_up"), (None, "system", "process_died")]
)
def test_who_ended_it_is_told(error_code: str | None, actor: str, reason: str) -> None:
    last = events_of(record_of(state="interrupted", error_code=error_code))[-1]
    assert (last.actor, last.attrs["cancellation_reason"]) == (actor, reason)


def test_latencies_are_split_where_they_are_known() -> None:
    record = record_of(
        streamed=True, tries=[FAILED], first_byte_us=400_000, duration_us=1_400_000, completion_tokens=50
    )
    assert latencies(record) == {
        "prepare_ms": 0, "first_progress_ms": 400, "total_ms": 1400, "decode_ms": 1000, "decode_tokens_per_second": 50,
    }  # fmt: skip
    assert latencies(record_of()) == {}


def test_the_meters_of_a_request_add_up_to_what_it_cost() -> None:
    record = record_of(
        prompt_tokens=100, cached_tokens=30, completion_tokens=7, cost_micros=90, prompt_cost_micros=70,
        cached_cost_micros=0,
    )  # fmt: skip
    events = list(meter_events(record))
    assert [(event.id, event.quantity, event.cost_micros, event.free_quantity) for event in events] == [
        ("req_1.input_tokens", 70, 70, 0),
        ("req_1.cached_input_tokens", 30, 0, 30),
        ("req_1.output_tokens", 7, 20, 0),
    ]
    assert sum(total.cost_micros for total in add_up(iter(events))) == record.cost_micros
    assert list(meter_events(record_of())) == []

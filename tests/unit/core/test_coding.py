"""Counting coding sessions, and the rules that speak of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from handlers.core.coding import Tally, advise
from storage.ledger_record import Record

BEGAN = 1_790_000_000.0


def asked(told: dict[str, Any] | None = None, **fields: Any) -> Record:
    values: dict[str, Any] = {
        "prompt_tokens": 100,
        "cached_tokens": 50,
        "duration_us": 200_000,
        "state": "completed",
    } | fields
    metadata = {"metadata": told} if told is not None else None
    return Record("req", "ipop", "chat_completions_create", BEGAN, metadata=metadata, provider="openai", **values)


def tally_of(*records: Record) -> Tally:
    tally = Tally(60)
    for record in records:
        tally.add(record)
    return tally


def codes(now: Tally, before: Tally | None = None) -> list[str]:
    return [advice.code for advice in advise(now, before or Tally(60))]


def test_what_requests_carry_is_summed_up() -> None:
    tally = tally_of(
        asked({"apply_model_requests": 3, "read_file_cache_hits": 4, "diagnostic_kind": ["type", "lint"]}),
        asked({"apply_model_requests": 2, "read_file_cache_misses": 6, "diagnostic_kind": "type"}),
        asked(),
    )
    assert tally.sums["cli_apply_model_requests"] == 5
    assert tally.total.file_hit_ratio == 0.4
    assert tally.counts["diagnostic_kind_counts"] == {"type": 2, "lint": 1}
    assert (tally.total.requests, tally.total.coding, tally.total.cached_ratio) == (3, 2, 0.5)


def test_values_that_cannot_be_counted_are_left_out() -> None:
    wrong = {"diagnostic_count": "many", "edit_noop_count": True, "fact_reuse_count": -5, "intent_shape": [1, None]}
    tally = tally_of(asked({**wrong, "prefetch_bytes": 1e300, "session_id": 7}))
    assert sum(tally.sums.values()) == 0
    assert tally.counts["intent_shape_counts"] == {}
    assert not tally.sessions


def test_of_a_repositorys_index_the_latest_state_counts() -> None:
    newest = asked({"repo_id_hash": "a", "semantic_index_chunk_count": 70})
    older = asked({"repo_id_hash": "a", "semantic_index_chunk_count": 50})
    other = asked({"repo_id_hash": "b", "semantic_index_chunk_count": 5})
    assert tally_of(newest, older, other).index_total("semantic_index_chunk_count") == 75


def test_an_apply_that_failed_is_counted_under_its_error() -> None:
    apply = {"request_type": "apply"}
    tally = tally_of(asked(apply), asked(apply, state="failed", error_code="upstream_timeout"))
    assert (tally.total.applies, tally.total.applied) == (2, 1)
    assert tally.counts["apply_failure_class_counts"] == {"upstream_timeout": 1}


CODING = {"request_type": "coding"}
APPLY = {"request_type": "apply"}
RULES: list[tuple[str, Callable[[int], list[Record]], int]] = [
    ("low_prompt_cache_ratio", lambda size: [asked(CODING, cached_tokens=19)] * size, 20),
    ("no_prompt_cache_keys", lambda size: [asked(CODING, cached_tokens=0)] * size, 20),
    ("prompt_cache_mostly_off", lambda size: [asked({**CODING, "prompt_cache_policy": "off"})] * size, 20),
    ("low_read_file_cache_ratio", lambda size: [asked({"read_file_cache_misses": 1})] * size, 20),
    ("apply_failing_mostly", lambda size: [asked(APPLY, state="failed")] * size, 5),
    ("apply_failing", lambda size: [asked(APPLY)] * (size - 2) + [asked(APPLY, state="failed")] * 2, 5),
    ("large_retrieval_context", lambda size: [asked({"semantic_retrieval_context_bytes": 65_537})] * size, 20),
]  # fmt: skip


@pytest.mark.parametrize(("code", "records", "enough"), RULES, ids=[rule[0] for rule in RULES])
def test_a_rule_speaks_of_enough_and_of_no_fewer(
    code: str, records: Callable[[int], list[Record]], enough: int
) -> None:
    assert code in codes(tally_of(*records(enough)))
    assert code not in codes(tally_of(*records(enough - 1)))


def test_a_good_session_is_left_alone() -> None:
    told = {"read_file_cache_hits": 1, "semantic_retrieval_context_bytes": 65_536, "prompt_cache_key": "k"}
    good = [asked({**told, "request_type": "apply"}, cached_tokens=20) for _ in range(40)]
    assert codes(tally_of(*good), tally_of(*good)) == []


def test_slower_answers_are_told_by_the_window_before() -> None:
    slow = tally_of(*[asked(CODING, duration_us=301_000)] * 20)
    assert codes(slow, tally_of(*[asked(CODING)] * 20)) == ["slower_than_before"]
    assert codes(slow, tally_of(*[asked(CODING)] * 19)) == []


def test_a_stale_index_is_told() -> None:
    counts = {"semantic_index_indexed_file_count": 100, "semantic_index_stale_file_count": 26}
    assert codes(tally_of(asked(counts))) == ["stale_semantic_index"]
    assert codes(tally_of(asked({**counts, "semantic_index_stale_file_count": 25}))) == []

"""What a request's metadata tells of a coding session.

Source: ipop.json: PublicRequestMetadata and CodingOptimizationSummary. Members of the metadata that the document does
not name are carried under the summary's own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

SUMS: Final[Mapping[str, str]] = {
    "cli_apply_model_requests": "apply_model_requests",
    "cli_apply_model_successes": "apply_model_successes",
    "cli_apply_model_diff_requests": "apply_model_diff_requests",
    "cli_apply_model_diff_repair_requests": "apply_model_diff_repair_requests",
    "cli_apply_model_fallback_rewrites": "apply_model_fallback_rewrites",
    **{
        name: name
        for name in (
            "blocked_verification_rerun_count",
            "command_env_memory_hits",
            "context_cleaner_bytes_saved",
            "context_summary_bytes_saved",
            "diagnostic_count",
            "diagnostic_path_count",
            "edit_noop_count",
            "fact_ledger_bytes",
            "fact_reuse_count",
            "multi_agent_conflict_count",
            "multi_agent_edit_worker_count",
            "prefetch_bytes",
            "prefetch_cache_hits",
            "prefetch_tool_count",
            "prevented_extra_turn_count",
            "read_file_cache_hits",
            "read_file_cache_misses",
            "read_file_unchanged_markers",
            "repair_hint_count",
            "semantic_edit_plan_count",
            "semantic_edit_plan_rejected_count",
            "semantic_retrieval_context_bytes",
            "uninspected_edit_path_count",
            "verification_affinity_uses",
            "verification_cost_model_uses",
            "verification_cost_saved_ms",
        )
    },
}
"""Summed over requests: the summary's name, and the metadata's."""

INDEX: Final = (
    "semantic_index_chunk_count",
    "semantic_index_fallback_embedding_chunks",
    "semantic_index_indexed_file_count",
    "semantic_index_stale_file_count",
)
"""States of a repository's index: of each repository the latest counts."""

MAXIMA: Final[Mapping[str, str]] = {
    "max_edit_risk_score": "edit_risk_score",
    "max_patch_preview_score": "patch_preview_score",
    "semantic_index_latest_refresh_unix_secs": "semantic_index_last_refresh_unix_secs",
}
AVERAGES: Final[Mapping[str, str]] = {"average_verification_affinity_confidence": "verification_affinity_confidence"}
COUNTS: Final[Mapping[str, str]] = {
    f"{name}_counts": name
    for name in (
        "agent_regret_kind",
        "apply_failure_class",
        "context_summary_kind",
        "diagnostic_kind",
        "edit_risk_level",
        "failure_hint_class",
        "intent_shape",
        "loop_stop_kind",
        "patch_preview_level",
        "prefetch_reason",
        "retrieval_reason",
        "stop_policy_kind",
        "verification_plan_kind",
    )
}
"""How often a request names what: a text, or a list of them."""

APPLY, CODING = "apply", "coding"
CODING_TYPES: Final = frozenset({APPLY, CODING})
"""`request_type` of requests that are of a coding session, whatever else they carry."""
SIGNS: Final = frozenset(
    {*SUMS.values(), *INDEX, *MAXIMA.values(), *AVERAGES.values(), *COUNTS.values()}
    | {"apply_model_latency_ms_total", "semantic_retrieval_chunk_ids", "repo_id_hash"}
)
"""A request that carries one of these is one of a coding session."""

LARGEST = 2**53
LONGEST_NAME = 128


def is_coding(told: Mapping[str, Any]) -> bool:
    return told.get("request_type") in CODING_TYPES or not SIGNS.isdisjoint(told)


def number(told: Mapping[str, Any], name: str) -> float | None:
    """None for what is no number that can be counted."""
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= LARGEST else None


def whole(told: Mapping[str, Any], name: str) -> int:
    return int(number(told, name) or 0)


def names(told: Mapping[str, Any], name: str) -> Iterator[str]:
    value = told.get(name)
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one:
            yield one[:LONGEST_NAME]

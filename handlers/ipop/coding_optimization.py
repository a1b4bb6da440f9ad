from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from codegen.generated.ipop.routes import AdminCodingOptimizationGetParams
from handlers.core import coding
from handlers.core.call import Call
from handlers.core.coding import Group, Report, Tally

MOST_SHOWN = 50
FILTERS = ("provider", "endpoint", "model", "repo_id_hash", "session_id")


async def admin_coding_optimization_get(params: AdminCodingOptimizationGetParams, call: Call) -> dict[str, Any]:
    filters = {name: value for name in FILTERS if (value := getattr(params, name)) is not None}
    wanted = coding.CodingWanted(window_seconds=params.window_seconds, bucket_seconds=params.bucket_seconds, **filters)
    found = await coding.report(wanted, call)
    return {
        "object": "admin.coding_optimization",
        "generated_at_unix": int(found.until),
        "window_seconds": params.window_seconds,
        "bucket_seconds": params.bucket_seconds,
        "filters": filters,
        **_requests(found.now.total),
        **_carried(found.now),
        **_buckets(found.now),
        **_advice(found),
        "previous_window": _key_figures(found.before.total),
    }


def _requests(total: Group) -> dict[str, Any]:
    return {
        "total_requests": total.requests,
        "coding_requests": total.coding,
        "provider_input_tokens": total.input_tokens,
        "provider_cached_input_tokens": total.cached_tokens,
        "provider_cache_creation_input_tokens": total.cache_write_tokens,
        "provider_cached_token_ratio": total.cached_ratio,
        "prompt_cache_auto_requests": total.cache_auto,
        "prompt_cache_off_requests": total.cache_off,
        "prompt_cache_key_requests": total.cache_keyed,
        "semantic_retrieval_requests": total.retrievals,
        "semantic_retrieval_chunks": total.retrieved_chunks,
        "average_semantic_retrieval_context_bytes": (
            total.retrieved_bytes / total.retrievals if total.retrievals else None
        ),
        "apply_requests": total.applies,
        "successful_apply_requests": total.applied,
        "failed_apply_requests": total.applies - total.applied,
        "average_apply_latency_ms": total.apply_latency_ms,
        "read_file_cache_hit_ratio": total.file_hit_ratio,
    }


def _carried(tally: Tally) -> dict[str, Any]:
    apply_requests = tally.sums["cli_apply_model_requests"]
    maxima = {name: tally.maxima.get(name, 0) for name in coding.MAXIMA}
    refreshed = "semantic_index_latest_refresh_unix_secs"
    return {
        **{name: tally.sums[name] for name in coding.SUMS},
        **{name: tally.index_total(name) for name in coding.INDEX},
        **maxima,
        refreshed: tally.maxima.get(refreshed),
        **{name: tally.mean(name) for name in coding.AVERAGES},
        **{name: _named(tally.counts.get(name, {})) for name in coding.COUNTS},
        "cli_average_apply_model_latency_ms": tally.apply_model_ms / apply_requests if apply_requests else None,
    }


def _buckets(tally: Tally) -> dict[str, Any]:
    return {
        "by_provider": [_provider(name, group) for name, group in _largest(tally.providers)],
        "by_endpoint": [_endpoint(name, group) for name, group in _largest(tally.endpoints)],
        "by_repo": [_repo(name, group) for name, group in _largest(tally.repos)],
        "by_session": [_session(name, group) for name, group in _largest(tally.sessions)],
        "trends": [{"started_at_unix": at, **_trend(group)} for at, group in sorted(tally.trend.items())],
    }


def _advice(found: Report) -> dict[str, Any]:
    advice = coding.advise(found.now, found.before)
    alerts = [one for one in advice if one.severity != "info"]
    return {
        "alerts": [
            {"code": one.code, "severity": one.severity, "title": one.title, "message": one.message} for one in alerts
        ],
        "recommendations": [
            {
                "area": one.area,
                "priority": {"critical": "high", "warning": "medium", "info": "low"}[one.severity],
                "title": one.title,
                "detail": one.remedy,
            }
            for one in advice
        ],
    }


def _largest(groups: Mapping[str, Group]) -> Iterable[tuple[str, Group]]:
    return sorted(groups.items(), key=lambda pair: (-pair[1].requests, pair[0]))[:MOST_SHOWN]


def _named(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_SHOWN]
    return [{"name": name, "count": count} for name, count in ordered]


def _provider(name: str, group: Group) -> dict[str, Any]:
    return {
        "provider": name,
        "request_count": group.requests,
        "input_tokens": group.input_tokens,
        "cached_input_tokens": group.cached_tokens,
        "cache_creation_input_tokens": group.cache_write_tokens,
        "cached_token_ratio": group.cached_ratio,
        "average_latency_ms": group.latency_ms,
    }


def _endpoint(name: str, group: Group) -> dict[str, Any]:
    return {
        "endpoint": name,
        "request_count": group.requests,
        "prompt_cache_auto_requests": group.cache_auto,
        "prompt_cache_off_requests": group.cache_off,
        "semantic_retrieval_requests": group.retrievals,
        "semantic_retrieval_context_bytes": group.retrieved_bytes,
        "apply_requests": group.applies,
        "average_latency_ms": group.latency_ms,
    }


def _repo(name: str, group: Group) -> dict[str, Any]:
    return {
        "repo_id_hash": name,
        "request_count": group.requests,
        "semantic_retrieval_context_bytes": group.retrieved_bytes,
        "apply_requests": group.applies,
        "cached_token_ratio": group.cached_ratio,
        "read_file_cache_hit_ratio": group.file_hit_ratio,
        "average_latency_ms": group.latency_ms,
    }


def _session(name: str, group: Group) -> dict[str, Any]:
    return {
        "session_id": name,
        "request_count": group.requests,
        "context_cleaner_bytes_saved": group.cleaned_bytes,
        "apply_requests": group.applies,
        "cached_token_ratio": group.cached_ratio,
        "read_file_cache_hit_ratio": group.file_hit_ratio,
        "average_latency_ms": group.latency_ms,
    }


def _trend(group: Group) -> dict[str, Any]:
    return {
        "request_count": group.requests,
        "coding_requests": group.coding,
        "apply_success_ratio": group.apply_ratio,
        "average_latency_ms": group.latency_ms,
        "context_cleaner_bytes_saved": group.cleaned_bytes,
        "provider_cached_token_ratio": group.cached_ratio,
        "read_file_cache_hit_ratio": group.file_hit_ratio,
        "semantic_retrieval_context_bytes": group.retrieved_bytes,
    }


def _key_figures(group: Group) -> dict[str, Any]:
    return {**_trend(group), "apply_requests": group.applies, "total_requests": group.requests}

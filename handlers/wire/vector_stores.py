"""Vector stores as OpenAI's clients speak of them: filters, chunking strategies, expiry, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.core.errors import Invalid
from handlers.core.retrieval.chunking import Auto, Static
from handlers.core.retrieval.searching import MODES, Attribute, Every, Filter, SearchAsk, Some
from handlers.core.retrieval.stores import Page

COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
DEEPEST, MOST_FILTERS = 16, 200
DAY_SECONDS = 86_400
RESULTS, MOST_RESULTS = 10, 50
BY_RANK = ("auto", "default", "default-2024-08-21", "default-2024-11-15", "rrf")
BY_SCORE = ("weighted",)
STATUSES = ("in_progress", "completed", "failed", "cancelled")


def page(limit: int | None, after: str | None, before: str | None = None, order: str | None = None) -> Page:
    """Raises `Invalid`."""
    if limit is not None and not 1 <= limit <= 100:
        raise Invalid("limit must be between 1 and 100", param="limit")
    if order not in (None, "", "asc", "desc"):
        raise Invalid("order must be asc or desc", param="order")
    return Page(limit or 20, after or None, before or None, order != "asc")


def read_status(status: str | None) -> str | None:
    if status and status not in STATUSES:
        raise Invalid(f"filter must be one of {', '.join(STATUSES)}", param="filter")
    return status or None


def read_strategy(given: Mapping[str, Any] | None) -> Static | Auto:
    """OpenAI's bounds: 100 to 4096 tokens, and an overlap of half of them at most. Raises `Invalid`."""
    kind = "auto" if not given else given.get("type", "auto")
    if kind == "auto":
        return Auto()
    wish = (given or {}).get("static")
    if kind != "static" or not isinstance(wish, Mapping):
        raise Invalid("chunking_strategy must be auto, or static with its numbers", param="chunking_strategy")
    size, overlap = wish.get("max_chunk_size_tokens", 800), wish.get("chunk_overlap_tokens", 400)
    if not (_is_count(size) and _is_count(overlap) and 100 <= size <= 4096 and overlap * 2 <= size):
        message = "max_chunk_size_tokens must be 100 to 4096, and chunk_overlap_tokens half of it at most"
        raise Invalid(message, param="chunking_strategy")
    return Static(size, overlap)


def render_strategy(strategy: Mapping[str, Any]) -> dict[str, Any]:
    if strategy["type"] == "auto":
        return {"type": "auto"}
    names = ("max_chunk_size_tokens", "chunk_overlap_tokens")
    return {"type": "static", "static": {name: strategy[name] for name in names}}


def read_lasting(given: Mapping[str, Any] | None) -> int | None:
    """`{"anchor": "last_active_at", "days": 7}` in seconds. Raises `Invalid`."""
    if not given:
        return None
    days = given.get("days")
    has_anchor = given.get("anchor", "last_active_at") == "last_active_at"
    if not (has_anchor and isinstance(days, int) and _is_count(days) and 1 <= days <= 365):
        raise Invalid("expires_after must have the anchor last_active_at and 1 to 365 days", param="expires_after")
    return days * DAY_SECONDS


def render_lasting(seconds: int) -> dict[str, Any]:
    return {"anchor": "last_active_at", "days": seconds // DAY_SECONDS}


def read_search(body: Mapping[str, Any], mode: str) -> SearchAsk:
    """`mode` is the API's own, where the body names none. Raises `Invalid`."""
    query, limit = body["query"], body.get("max_num_results")
    limit = RESULTS if limit is None else limit
    if not 1 <= limit <= MOST_RESULTS:
        raise Invalid(f"max_num_results must be between 1 and {MOST_RESULTS}", param="max_num_results")
    mode = body.get("search_mode") or mode
    if mode not in MODES:
        raise Invalid(f"search_mode must be one of {', '.join(MODES)}", param="search_mode")
    ranking = body.get("ranking_options") or {}
    ranker = ranking.get("ranker") or "auto"
    if ranker not in (*BY_RANK, *BY_SCORE):
        message = f"ranking_options.ranker must be one of {', '.join((*BY_RANK, *BY_SCORE))}"
        raise Invalid(message, param="ranking_options")
    threshold = ranking.get("score_threshold") or 0.0
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise Invalid("ranking_options.score_threshold must be a number", param="ranking_options")
    texts = [query] if isinstance(query, str) else query
    if not all(isinstance(text, str) for text in texts):
        raise Invalid("query must be a text, or a list of texts", param="query")
    return SearchAsk(
        texts=texts,
        limit=limit,
        mode=MODES[mode],
        filter=read_filter(body.get("filters")),
        threshold=threshold,
        is_rewritten=bool(body.get("rewrite_query")),
        is_by_score=ranker in BY_SCORE,
    )


def read_filter(given: Any) -> Filter | None:
    """OpenAI's comparisons and `and`/`or` of them; an object without a `type` has the values that attributes must have.
    Raises `Invalid`."""
    if not given:
        return None
    if isinstance(given, Mapping) and "type" not in given:
        return Every([Attribute(str(key), "eq", value) for key, value in given.items()])
    count = [0]
    return _filter(given, 0, count)


def _filter(given: Any, depth: int, count: list[int]) -> Filter:
    count[0] += 1
    if depth > DEEPEST or count[0] > MOST_FILTERS:
        raise Invalid(f"filters may be {DEEPEST} deep, and {MOST_FILTERS} in all", param="filters")
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind in ("and", "or") and isinstance(parts := given.get("filters"), Sequence) and not isinstance(parts, str):
        read = [_filter(part, depth + 1, count) for part in parts]
        return Every(read) if kind == "and" else Some(read)
    if kind in COMPARISONS and isinstance(given.get("key"), str) and "value" in given:
        if kind in ("in", "nin") and not isinstance(given["value"], list):
            raise Invalid(f"filters: {kind} needs a list of values", param="filters")
        return Attribute(given["key"], kind, given["value"])
    message = f"filters must be {', '.join(COMPARISONS)} with key and value, or and/or with filters"
    raise Invalid(message, param="filters")


def scalars(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What search results may show."""
    return {key: value for key, value in attributes.items() if isinstance(value, str | int | float | bool)}


def ends(found: Sequence[str]) -> dict[str, str]:
    """Of a page."""
    return {"first_id": found[0], "last_id": found[-1]} if found else {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

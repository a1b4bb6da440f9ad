from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from codegen.generated.ipop.routes import BatchesCancelParams, BatchesCreateBody, BatchesGetParams, BatchesListParams
from handlers.core import batches
from handlers.core.batches import Batch, Endpoint, Item, NewBatch
from handlers.core.call import Call
from handlers.core.errors import Invalid

_CHAT, _EMBEDDINGS = "chat_completions", "embeddings"
_ENDPOINTS = {
    "/chat/completions": ("chat_completions_create", (_CHAT, "/v1/chat/completions")),
    "/embeddings": ("embeddings_create", (_EMBEDDINGS, "/v1/embeddings")),
}
"""By their paths: the operations, and the names that the document has for them."""
_PAGE, _LARGEST_PAGE = 20, 100
_WINDOW = re.compile(r"(\d{1,7})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_WINDOW = 7 * 86_400
_SHOWN_BYTES = 4 * 2**20
"""Of the lines of rows, in one answer; the files have them all."""


async def batches_create(body: BatchesCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    new = NewBatch(
        input_file_id=data["input_file_id"],
        endpoint=data.get("endpoint") or _CHAT,
        window_seconds=_window(data.get("completion_window") or "24h"),
        told=data.get("metadata"),
    )
    return _render(await batches.create(new, call), call)


async def batches_list(params: BatchesListParams, call: Call) -> dict[str, Any]:
    limit = _PAGE if params.limit is None else params.limit
    if not 1 <= limit <= _LARGEST_PAGE:
        raise Invalid(f"limit must be between 1 and {_LARGEST_PAGE}", param="limit")
    found, has_more = await batches.list_batches(params.after, limit, call)
    ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {}
    return {"object": "list", "data": [_render(batch, call) for batch in found], "has_more": has_more, **ends}


async def batches_get(params: BatchesGetParams, call: Call) -> dict[str, Any]:
    batch = await batches.get(params.batch_id, call)
    return {**_render(batch, call), "rows": _rows(batch, await batches.rows_of(batch, call))}


async def batches_cancel(params: BatchesCancelParams, call: Call) -> dict[str, Any]:
    return _render(await batches.cancel(params.batch_id, call), call)


def endpoints(prefix: str) -> dict[str, Endpoint]:
    """What batches may ask for, by the names of the document; `prefix` is where the API stands."""
    return {
        name: Endpoint(operation_id, frozenset({path, f"/v1{path}", f"{prefix}{path}"}))
        for path, (operation_id, names) in _ENDPOINTS.items()
        for name in names
    }


def _window(text: str) -> int:
    """In seconds. Raises `Invalid`."""
    found = _WINDOW.fullmatch(text.strip())
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_WINDOW:
        raise Invalid("completion_window must be like 24h, 30m or 600s, and 7d at most", param="completion_window")
    return seconds


def _render(batch: Batch, call: Call) -> dict[str, Any]:
    """Beside the document's members those that OpenAI's clients look for."""
    faults = batch.faults or []
    return {
        "id": batch.id,
        "object": "batch",
        "owner_user_id": batch.project_id,
        "project_id": call.caller.project,
        "status": batch.status,
        "endpoint": batch.endpoint,
        "input_file_id": batch.input_file_id,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "completion_window": f"{batch.window_seconds}s",
        "completion_window_secs": batch.window_seconds,
        "created_at": batch.created_at.isoformat(),
        "deadline_at": batch.deadline_at.isoformat(),
        "started_at": batch.started_at.isoformat() if batch.started_at else None,
        "cancel_requested_at": batch.cancel_requested_at.isoformat() if batch.cancel_requested_at else None,
        "completed_at": batch.ended_at.isoformat() if batch.ended_at else None,
        "metadata": batch.told,
        "last_error": _in_words(faults[0]) if faults else None,
        "errors": {"object": "list", "data": faults} if faults else None,
        "reserved_credit_total": None,
    }


def _in_words(fault: dict[str, Any]) -> str:
    return f"line {fault['line']}: {fault['message']}" if fault["line"] else str(fault["message"])


def _rows(batch: Batch, items: Sequence[Item]) -> list[dict[str, Any]]:
    left = _SHOWN_BYTES
    rows = []
    for item in items:
        left -= len(item.line or "")
        rows.append(_row(batch, item, is_whole=left >= 0))
    return rows


def _row(batch: Batch, item: Item, *, is_whole: bool) -> dict[str, Any]:
    line = item.line if is_whole else None
    return {
        "batch_id": batch.id,
        "row_index": item.number,
        "custom_id": item.custom_id,
        "request_id": batches.request_id(batch.id, item.number),
        "status": item.status,
        "output_line": line if item.status == "completed" else None,
        "error": orjson.loads(line)["response"]["body"] if line and item.status == "failed" else None,
        "created_at": batch.created_at.isoformat(),
        "updated_at": item.updated_at.isoformat() if item.updated_at else None,
    }

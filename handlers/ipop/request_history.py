from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from codegen.generated.ipop.routes import (
    RequestHistoryExportParams,
    RequestHistoryFeedbackCreateBody,
    RequestHistoryFeedbackCreateParams,
    RequestHistoryGetParams,
    RequestHistoryListParams,
    RequestHistoryReplayParams,
)
from handlers.core.asks import Wishes
from handlers.core.call import Call
from handlers.core.history import content, feedback, records
from handlers.core.history.events import token_details
from handlers.core.history.records import Record, Which
from handlers.core.history.repeat import repeat
from handlers.ipop import chat, downloads, wishes
from handlers.ipop.metadata import route_class
from handlers.ipop.moments import read_moment, usd, write_moment
from handlers.wire.reply import ByteStream, Reply

STATES = {"running": "started", "completed": "completed", "failed": "failed", "canceled": "interrupted"}
STATUSES = {state: status for status, state in STATES.items()}
DIED = "process_died"


async def request_history_list(params: RequestHistoryListParams, call: Call) -> list[dict[str, Any]]:
    found = await records.list_records(_which(params, call), call, limit=params.limit, after=params.after)
    return [render(record, call) for record in found]


async def request_history_export(params: RequestHistoryExportParams, call: Call) -> ByteStream:
    walk = await records.walk_records(_which(params, call), call)
    return downloads.array(_rendered(walk, call), "request-history.json")


async def request_history_get(params: RequestHistoryGetParams, call: Call) -> dict[str, Any]:
    """The preview is of an answer that its client had stored, or that its project has captured."""
    record = await records.get_record(params.request_id, call)
    preview = await content.find_preview(record, call)
    return render(record, call) | ({} if preview is None else {"result_preview": preview})


async def request_history_feedback_create(
    params: RequestHistoryFeedbackCreateParams, body: RequestHistoryFeedbackCreateBody, call: Call
) -> dict[str, Any]:
    told: Mapping[str, Any] = body.data
    await feedback.give_feedback(params.request_id, told, call)
    return {"object": "request.feedback", "request_id": params.request_id, "recorded": True}


async def request_history_replay(params: RequestHistoryReplayParams, call: Call) -> Reply:
    """As the client of the first wished, where it was IPOP's."""

    def wishes_of(record: Record) -> Wishes:
        told = (record.metadata or {}).get("metadata") if record.api == "ipop" else None
        return wishes.read(told or {}, call)

    return chat.reply_of(await repeat(params.request_id, wishes_of, call), {}, call)


def render(record: Record, call: Call) -> dict[str, Any]:
    """Nothing of what was said: metadata is what the client told beside it."""
    began, took_us = record.started_at, record.duration_us
    ended = None if took_us is None else write_moment(began, took_us)
    shown = {
        "request_id": record.request_id,
        "model": record.model or record.requested_model or "",
        "requested_model_id": record.requested_model,
        "execution_kind": record.kind,
        "status": STATUSES[record.state],
        "error": record.error_code if record.state == "failed" else None,
        "cancellation_reason": (record.error_code or DIED) if record.state == "interrupted" else None,
        "tokens_in": record.prompt_tokens,
        "tokens_out": record.completion_tokens,
        "token_details": token_details(record),
        "cost": usd(record.cost_micros),
        "created_at": write_moment(began),
        "started_at": write_moment(began),
        "completed_at": ended,
        "updated_at": ended or write_moment(began),
        "request_metadata": _metadata(record, call),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _metadata(record: Record, call: Call) -> dict[str, Any]:
    """What the client told of its request, and how it was answered."""
    attempts = [
        {"vendor": one["vendor"], "model": one["model"], "fate": one["fate"], "took_ms": one["took_us"] // 1000}
        | ({"error": one["error"]} if "error" in one else {})
        for one in record.tries or []
    ]
    route = {
        "api": record.api,
        "operation": record.operation_id,
        "key_id": record.key_id,
        "http_status": record.http_status,
        "streamed": record.streamed,
        "provider": record.provider,
        "provider_model": record.upstream_model,
        "region": record.region,
        "route_class": route_class(record, call) if record.provider else None,
        "fallback_count": record.fallbacks,
        "cache_hit": record.cache_hit,
        "cache_creation_input_tokens": record.cache_write_tokens or None,
        "first_byte_ms": None if record.first_byte_us is None else record.first_byte_us // 1000,
        "latency_ms": None if record.duration_us is None else record.duration_us // 1000,
        "finish_reason": record.finish_reason,
        "replay_of": record.replay_of,
        "attempts": attempts or None,
    }
    return {**(record.metadata or {}), "route": {name: value for name, value in route.items() if value is not None}}


def _which(params: RequestHistoryListParams | RequestHistoryExportParams, call: Call) -> Which:
    return Which(
        project_id=call.caller.project_id,
        model=params.model,
        api=params.api,
        key_id=params.key_id,
        state=STATES[params.status] if params.status else None,
        since=read_moment(params.created_at_from, "created_at_from"),
        until=read_moment(params.created_at_to, "created_at_to"),
    )


async def _rendered(pages: AsyncIterator[list[Record]], call: Call) -> AsyncIterator[list[dict[str, Any]]]:
    async for page in pages:
        yield [render(record, call) for record in page]

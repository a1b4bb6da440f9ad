from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from codegen.generated.maniac.routes import RlmResponsesCreateBody, RlmResponsesRetrieveParams
from handlers.core import rlm
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.rlm import Bounds, Outcome, RlmAsk
from handlers.wire import openai_chat
from handlers.wire.reply import Reply

_BOUNDS = {"max_depth": "max_depth", "max_iterations": "max_iterations", "max_timeout": "max_seconds"}


async def rlm_responses_create(body: RlmResponsesCreateBody, call: Call) -> Reply:
    data = {name: value for name, value in body.data.items() if value is not None}
    openai_chat.note_metadata(data, ("metadata",), call)
    created = await rlm.create(_parse(data), call)
    return Reply(_render(created.outcome), headers=openai_chat.marks(created.attempt))


async def rlm_responses_retrieve(params: RlmResponsesRetrieveParams, call: Call) -> dict[str, Any]:
    return _render(await rlm.retrieve(params.response_id, call))


def _parse(data: Mapping[str, Any]) -> RlmAsk:
    """Raises `Invalid` for what the document names and does not support."""
    if data.get("stream"):
        raise Invalid("stream must be false: this operation does not stream", param="stream")
    if data.get("store"):
        raise Invalid("store must be false: this operation keeps no state", param="store")
    controls = {name: value for name, value in data.get("rlm", {}).items() if value is not None}
    tools = controls.get("enabled_tools")
    return RlmAsk(
        model=data["model"],
        input=_input(data["input"]),
        instructions=data.get("instructions") or None,
        engine=controls.get("engine", "classic"),
        bounds=_bounds(controls),
        effort=data.get("reasoning", {}).get("effort"),
        tools=None if tools is None else tuple(tools),
        tool_config=controls.get("tool_config", {}),
        metadata=data.get("metadata", {}),
        background=data.get("background", False),
        keep="store" not in data,
    )


def _input(given: Any) -> str | list[dict[str, str]]:
    if isinstance(given, str):
        return given
    return [{"role": message["role"], "content": _text(message["content"])} for message in given]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _bounds(controls: Mapping[str, Any]) -> Bounds:
    """JSON does not tell 2 from 2.0."""
    given: dict[str, Any] = {ours: controls[theirs] for theirs, ours in _BOUNDS.items() if theirs in controls}
    given |= {name: int(given[name]) for name in ("max_depth", "max_iterations") if name in given}
    if "max_budget" in controls:
        given["max_budget_usd"] = Decimal(str(controls["max_budget"]))
    return Bounds(**given)


def _render(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "object": "response",
        "created_at": int(outcome.created_at),
        "status": outcome.status,
        "model": outcome.model,
        "store": False,
        "metadata": dict(outcome.metadata),
        "output": _output(outcome),
        "output_text": outcome.text,
        "usage": _usage(outcome),
        "error": _error(outcome),
    }


def _output(outcome: Outcome) -> list[dict[str, Any]] | None:
    if outcome.text is None:
        return None
    part = {"type": "output_text", "text": outcome.text, "annotations": []}
    return [
        {
            "id": outcome.id.replace("resp", "msg", 1),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
    ]


def _usage(outcome: Outcome) -> dict[str, int] | None:
    if outcome.totals is None:
        return None
    spent = outcome.totals
    return {
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }


def _error(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.error is None:
        return None
    spent = outcome.totals
    details = None if spent is None else {"model_calls": spent.calls, "cost_usd": spent.cost_micros / 1_000_000}
    return {"code": outcome.error["code"].upper(), "message": outcome.error["message"], "details": details}

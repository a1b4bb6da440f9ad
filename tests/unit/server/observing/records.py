from __future__ import annotations

from typing import Any

from storage.ledger_record import Record

STARTED = 1_790_000_000.25
REQUEST_ID = "req_0123456789abcdef01234567"


def record(**fields: Any) -> Record:
    """Of a chat that went well, but for what is given."""
    values: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "api": "maniac",
        "operation_id": "chat_completions_create",
        "started_at": STARTED,
        "project_id": "project-1",
        "state": "completed",
        "http_status": 200,
        "model": "openai/gpt-5.5",
        "provider": "openai",
        "upstream_model": "gpt-5.5-2026",
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "cost_micros": 250,
        "duration_us": 300_000,
        "first_byte_us": 20_000,
        "finish_reason": "stop",
        "streamed": True,
    }
    return Record(**(values | fields))


def failed(**fields: Any) -> Record:
    return record(state="failed", http_status=502, error_code="upstream_failed", **fields)

"""What was said in a request, as it is kept: after redaction, one row a message, in the record's own commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """`message_seq` counts from 1, the request's messages before those of its answer. `kind` is `request` or
    `response`. `is_truncated` where anything in the message was too long, or was a picture or a file. `details` is JSON
    of whatever else the message held (`content_parts`, `tool_calls`, ...). `redaction` is None where none was asked
    for, else `rule_id`, `fields_redacted` (rules that found something) and `counts`."""

    request_id: str
    message_seq: int
    project_id: str
    at: datetime
    kind: str
    role: str
    model: str | None
    content: str
    is_truncated: bool
    details: dict[str, Any] | None
    redaction: dict[str, Any] | None

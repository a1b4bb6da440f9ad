"""A request's record as JSON, for a job that completes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from storage.captured import CapturedMessage
from storage.ledger_record import FIELDS, Record
from storage.tables.types import instant


def pack_record(record: Record) -> dict[str, Any]:
    """With what was said, as far as it is to be kept; without the chat and the trace that are written with it."""
    said = [asdict(message) | {"at": message.at.timestamp()} for message in record.messages]
    return {name: getattr(record, name) for name in FIELDS} | {"messages": said}


def unpack_record(packed: Mapping[str, Any]) -> Record:
    said = [CapturedMessage(**(message | {"at": instant(message["at"])})) for message in packed["messages"]]
    return Record(**{**packed, "messages": said})

"""What the error shapes of all dialects share."""

from __future__ import annotations

from handlers.core.errors import CoreError


def safe_message(error: CoreError, request_id: str) -> str:
    """An internal error's own words stay inside: its reader gets the id to quote."""
    if error.status == 500:
        return f"an internal error occurred; quote request {request_id}"
    return error.message


def describe_faults(error: CoreError) -> str:
    """`body.messages.0.role: is not one of ...; ...`, or the error's message where it lists no faults."""
    faults = [f"{'.'.join(map(str, _location(fault)))}: {fault.get('msg')}" for fault in error.errors]
    return "; ".join(faults) or error.message


def _location(fault: dict[str, object]) -> list[object]:
    location = fault.get("loc")
    return list(location) if isinstance(location, list | tuple) else [location or "request"]

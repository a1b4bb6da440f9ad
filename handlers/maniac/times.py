from __future__ import annotations

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """`2026-03-18T12:00:00.000001Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

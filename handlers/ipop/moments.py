"""Times and amounts as IPOP writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers.core.errors import Invalid

YEARS = range(1970, 9999)
"""What every part of this server can count with."""


def read_moment(text: str | None, name: str) -> datetime | None:
    """A time without a zone is in UTC. Raises `Invalid`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} must be a time such as 2026-01-31T12:00:00Z", param=name) from None
    if moment.year not in YEARS:
        raise Invalid(f"{name} must be between the years {YEARS[0]} and {YEARS[-1]}", param=name)
    return moment


def write_moment(seconds: float, more_us: int = 0) -> str:
    """Of unix seconds."""
    moment = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=more_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def usd(micros: int) -> float:
    return micros / 1_000_000

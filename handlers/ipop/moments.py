"""Times and amounts as IPOP writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handlers.core.errors import Invalid

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Of the times that every part of this server can count with. Nothing is from before or after, so that they stand for
any that is."""


def read_moment(text: str | None, name: str) -> datetime | None:
    """A time without a zone is in UTC. Raises `Invalid`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{name} must be a time such as 2026-01-31T12:00:00Z", param=name) from None
    return max(FIRST, min(LAST, moment if moment.tzinfo else moment.replace(tzinfo=UTC))).astimezone(UTC)


def write_moment(seconds: float, more_us: int = 0) -> str:
    """Of unix seconds."""
    moment = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=more_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def usd(micros: int) -> float:
    return micros / 1_000_000

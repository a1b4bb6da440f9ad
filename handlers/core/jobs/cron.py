"""Times that cron expressions name."""

from __future__ import annotations

from datetime import datetime

from cronsim import CronSim, CronSimError

from handlers.core.errors import Invalid


def next_time(cron: str, after: datetime) -> datetime:
    """The next moment behind `after`, in its time zone. Raises `Invalid` for what is no cron expression, or names no
    time at all."""
    try:
        return next(CronSim(cron, after))
    except (CronSimError, StopIteration):
        raise Invalid(f"not a cron expression: {cron}", code="invalid_cron", param="cron") from None

"""What became of each call of a vendor, noted in its request's record."""

from __future__ import annotations

from typing import Any, Literal

from handlers.core.call import Call
from handlers.core.catalog import Deployment
from providers.errors import ProviderError

MOST_NOTED = 32
"""A batch may make thousands: the first are noted, all are counted."""
LONGEST_MODEL_ID = 256


End = Literal["answered", "abandoned"] | ProviderError
"""What a call came to. One that was given up, for another was quicker or its client left, is `abandoned`."""


def note_try(place: Deployment, began_at: float, end: End, call: Call) -> None:
    """`began_at` is unix seconds, as `services.clock` gives them."""
    record = call.record
    noted = record.tries
    if not noted:
        noted = record.tries = []
    elif noted[-1]["fate"] != "answered":
        record.requeues += 1
    record.try_count += 1
    if len(noted) >= MOST_NOTED:
        return
    failed = isinstance(end, ProviderError)
    entry: dict[str, Any] = {
        "vendor": place.vendor,
        "model": place.model,
        "at_us": _microseconds(began_at - record.started_at),
        "took_us": _microseconds(call.services.clock() - began_at),
        "fate": "failed" if failed else end,
    }
    if failed:
        entry["error"] = type(end).__name__
    noted.append(entry)


def note_asked(model_id: str, call: Call) -> None:
    """What the client asked for, which may be a container or no model at all."""
    call.record.requested_model = model_id.replace("\0", "")[:LONGEST_MODEL_ID]


def _microseconds(seconds: float) -> int:
    return max(0, int(seconds * 1_000_000))

"""What became of each call of a vendor, noted in its request's record."""

from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.core.catalog import Deployment
from providers.errors import ProviderError

MOST_NOTED = 32
"""A batch may make thousands: the first are noted, all are counted."""
LONGEST_MODEL_ID = 256


class Try:
    """`with Try(...):` around one call. One that was given up, for another was quicker or its client left, is
    `abandoned`; any other that raises has `failed`."""

    def __init__(self, call: Call, place: Deployment) -> None:
        self._call = call
        self._place = place
        self._began_at = call.services.clock()

    def __enter__(self) -> Try:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        record = self._call.record
        record.try_count += 1
        noted = record.tries = record.tries or []
        record.requeues += bool(noted) and noted[-1]["fate"] != "answered"
        if len(noted) < MOST_NOTED:
            noted.append(self._entry(error))

    def _entry(self, error: BaseException | None) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "vendor": self._place.vendor,
            "model": self._place.model,
            "at_us": _microseconds(self._began_at - self._call.record.started_at),
            "took_us": _microseconds(self._call.services.clock() - self._began_at),
            "fate": "answered" if error is None else "abandoned",
        }
        if isinstance(error, ProviderError):
            entry |= {"fate": "failed", "error": type(error).__name__}
        return entry


def note_asked(model_id: str, call: Call) -> None:
    """What the client asked for, which may be a container or no model at all."""
    call.record.requested_model = model_id.replace("\0", "")[:LONGEST_MODEL_ID]


def _microseconds(seconds: float) -> int:
    return max(0, int(seconds * 1_000_000))

"""App Telemetry: what apps of projects report of themselves: errors, events, logs, page views, sessions and spans.

Every event becomes a span of the project's traces, where the telemetry operations of Llama Stack find it, next to the
requests that belong to the same trace.

tariff.py      units, and what they cost
events.py      an event as it came, checked, and as a span
exceptions.py  exceptions and their stacks, and what of them is kept
symbols.py     which source map fits a file of a stack; maps at hand
store.py       envelopes and maps taken, and usage
cleaning.py    the job that forgets
"""

from handlers.core.app_telemetry.cleaning import AppTelemetryCleaning
from handlers.core.app_telemetry.events import Envelope
from handlers.core.app_telemetry.store import AppTelemetry, Ingested, Keeping, NewMap, Upload, Usage
from handlers.core.app_telemetry.symbols import MapsAtHand
from handlers.core.app_telemetry.tariff import EVENT_UNITS, MAP_UNITS, Tariff

__all__ = [
    "EVENT_UNITS",
    "MAP_UNITS",
    "AppTelemetry",
    "AppTelemetryCleaning",
    "Envelope",
    "Ingested",
    "Keeping",
    "MapsAtHand",
    "NewMap",
    "Tariff",
    "Upload",
    "Usage",
]

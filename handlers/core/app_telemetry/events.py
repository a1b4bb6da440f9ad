"""An event as it came, checked; and as the span that it becomes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from handlers.core.app_telemetry.exceptions import Find, Thrown, kept_of, read_exceptions
from handlers.core.errors import Invalid
from storage.repositories.telemetry import WholeSpan

LONGEST_ID = 256
MOST_ATTRIBUTES = 128
LARGEST_EVENT_BYTES = 256 * 1024
AHEAD = timedelta(days=1)
"""How wrong an app's clock may be."""
LONGEST_SPAN_MS = 30 * 86_400_000
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
LEAP_SECOND = re.compile(r"(:\d\d):60")
RELEASE_NAMES = ("release", "service.version")
TEXTS = ("trace_id", "span_id", "parent_span_id", "session_id", "name", "event_id", "id")


class Rejected(Exception):
    """An event that is not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """As the document has it; `resource` and `sdk` tell who sends."""

    events: Sequence[Mapping[str, Any]]
    resource: Mapping[str, Any]
    sdk: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Period:
    """Events are taken that happened between `oldest` and `newest`, and kept until `expires_at`."""

    now: datetime
    oldest: datetime
    expires_at: datetime

    @property
    def newest(self) -> datetime:
        return self.now + AHEAD


@dataclass(frozen=True, slots=True)
class Event:
    """One that may be taken. `key` is None for one that cannot be known again: it has neither an id nor a time.
    `sampled_by` is what goes together when only a share is kept."""

    told: Mapping[str, Any]
    type: str
    key: str | None
    seed: str
    at: datetime
    release: str | None
    sampled_by: str
    thrown: Sequence[Thrown]
    shared: Mapping[str, Any]

    def span(self, project_id: str, expires_at: datetime, find: Find) -> WholeSpan:
        told, is_span = self.told, self.type == "span"
        own = told.get("span_id") or None
        return WholeSpan(
            project_id=project_id,
            trace_id=told.get("trace_id") or self.seed[:32],
            span_id=own if is_span and own else self.seed[32:48],
            parent_span_id=(told.get("parent_span_id") or None) if is_span else own,
            name=self._name(),
            started_at=self.at,
            ended_at=self.at + timedelta(milliseconds=_duration_ms(told) if is_span else 0),
            status="error" if self.type == "error" or told.get("status") == "error" else "ok",
            attributes=self._attributes(find),
            expires_at=expires_at,
        )

    def _name(self) -> str:
        name = self.told.get("name") or (self.thrown[0].type if self.thrown else None) or self.type
        return str(name).replace("\0", "")[:LONGEST_ID]

    def _attributes(self, find: Find) -> dict[str, Any]:
        told = self.told
        kept = {
            **self.shared,
            **dict(_flat("user.", told.get("user") or {})),
            **(told.get("attributes") or {}),
            "app.event": self.type,
            "app.event_id": told.get("event_id") or told.get("id"),
            "app.message": told.get("message"),
            "app.breadcrumbs": told.get("breadcrumbs") or None,
            "session.id": told.get("session_id"),
            **(kept_of(self.thrown, find) if self.thrown else {}),
        }
        return {name: value for name, value in kept.items() if value is not None}


def shared_attributes(envelope: Envelope) -> dict[str, Any]:
    """What an envelope says of all its events. Raises `Rejected`."""
    shared = {**envelope.resource, **dict(_flat("sdk.", envelope.sdk))}
    _check_attributes(shared, "resource and sdk")
    if len(orjson.dumps(shared)) > LARGEST_EVENT_BYTES // 8:
        raise Rejected(f"resource and sdk may have {LARGEST_EVENT_BYTES // 8192} KiB together")
    return shared


def read_event(told: Mapping[str, Any], shared: Mapping[str, Any], period: Period, new_id: Callable[[], str]) -> Event:
    """Raises `Rejected`, and `Invalid` for what the document does not allow."""
    written = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    if len(written) > LARGEST_EVENT_BYTES:
        raise Rejected(f"an event may have {LARGEST_EVENT_BYTES // 1024} KiB")
    for name in TEXTS:
        _check_text(name, told.get(name))
    attributes = told.get("attributes") or {}
    _check_attributes(attributes, "attributes")
    _check_attributes(told.get("user") or {}, "user")
    key = _key(told, written)
    seed = key or hashlib.sha256(new_id().encode()).hexdigest()
    exception = told.get("exception")
    return Event(
        told=told,
        type=told["type"],
        key=key,
        seed=seed,
        at=_moment(told.get("timestamp"), period),
        release=_release(told, attributes, shared),
        sampled_by=told.get("trace_id") or told.get("session_id") or seed,
        thrown=read_exceptions(exception) if exception else (),
        shared=shared,
    )


def _key(told: Mapping[str, Any], written: bytes) -> str | None:
    """Of its id, or where it has a time of all of it."""
    own = told.get("event_id") or told.get("id")
    if own:
        return hashlib.sha256(b"id " + str(own).encode()).hexdigest()
    return hashlib.sha256(written).hexdigest() if told.get("timestamp") else None


def _moment(text: str | None, period: Period) -> datetime:
    """Raises `Invalid` for what the document does not allow."""
    if text is None:
        return period.now
    if not DATE_TIME.match(text):
        raise Invalid("timestamp must be a date and time as RFC 3339 has them", param="timestamp")
    try:
        moment = datetime.fromisoformat(LEAP_SECOND.sub(r"\1:59", text.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected("timestamp is no moment that there is") from None
    if moment > period.newest:
        raise Rejected("timestamp is in the future")
    if moment < period.oldest:
        raise Rejected("timestamp is older than what is kept")
    return moment


def _release(*places: Mapping[str, Any]) -> str | None:
    for place in places:
        for name in RELEASE_NAMES:
            found = place.get(name)
            if isinstance(found, str) and found and "\0" not in found:
                return found
    return None


def _duration_ms(told: Mapping[str, Any]) -> float:
    found = told.get("duration_ms", (told.get("attributes") or {}).get("duration_ms"))
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return found if is_number and 0 <= found <= LONGEST_SPAN_MS else 0


def _check_text(name: str, text: Any) -> None:
    if text is None or text == "":
        return
    if not isinstance(text, str) or len(text) > LONGEST_ID or "\0" in text:
        raise Rejected(f"{name} must be text of {LONGEST_ID} characters at most, none of them NUL")


def _check_attributes(attributes: Mapping[str, Any], name: str) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        raise Rejected(f"{name} may have {MOST_ATTRIBUTES} entries")
    if any(len(key) > LONGEST_ID or "\0" in key for key in attributes):
        raise Rejected(f"names in {name} may have {LONGEST_ID} characters, none of them NUL")


def _flat(prefix: str, told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        yield f"{prefix}{name}", value

"""Messages as they are kept: cut to length, with secrets and personal data taken out, pictures and files left out.

Costs time: not for the event loop.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from handlers.core.asks import AnyAsk, ChatAsk
from handlers.core.capture.policy import Policy
from handlers.core.capture.redaction import Redacted, redact
from storage.captured import CapturedMessage

BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
MARGIN_CHARS = 8192
"""So much behind the end of what is kept is looked at, lest a secret that the cut goes through is not known as one."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the messages of a request have in common. `first` is the number of the first."""

    request_id: str
    project_id: str
    at: datetime
    model: str | None
    first: int


@dataclass(frozen=True, slots=True)
class Said:
    kind: str
    role: str
    content: str
    details: dict[str, Any]


def write(ask: AnyAsk, bodies: Sequence[Mapping[str, Any]], policy: Policy, place: Place) -> list[CapturedMessage]:
    """`bodies` are the whole answers, in OpenAI's shape."""
    said = [*_asked(ask), *(one for body in bodies for one in _answered(body))]
    cleaned = _clean(said, policy)
    return [
        CapturedMessage(
            request_id=place.request_id,
            message_seq=place.first + number,
            project_id=place.project_id,
            at=place.at,
            kind=one.kind,
            role=one.role,
            model=place.model,
            content=one.content,
            is_truncated=len(original.content) > policy.max_chars_per_message,
            details=one.details or None,
            redaction=_account(counts, policy),
        )
        for number, (original, (one, counts)) in enumerate(zip(said, cleaned, strict=True))
    ]


def _asked(ask: AnyAsk) -> Iterable[Said]:
    if not isinstance(ask, ChatAsk):
        yield from (Said("request", "user", prompt, {}) for prompt in ask.prompts)
        return
    extras = {name: ask.options[name] for name in ("tools", "response_format") if ask.options.get(name)}
    for message in ask.messages:
        one = _said("request", message)
        yield replace(one, details=one.details | extras)
        extras = {}


def _answered(body: Mapping[str, Any]) -> Iterable[Said]:
    for choice in body.get("choices") or []:
        message = choice.get("message")
        if message is None:
            message = {"role": "assistant", "content": choice.get("text")}
        yield _said("response", message)


def _said(kind: str, message: Mapping[str, Any]) -> Said:
    content, details = message.get("content"), {}
    if isinstance(content, list):
        details["content_parts"] = content
        content = "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    for name in ("tool_calls", "tool_call_id", "name", "refusal", "reasoning_content"):
        if message.get(name):
            details[name] = message[name]
    role = message.get("role")
    return Said(kind, role if role in ROLES else "user", content or "", details)


def _clean(said: Sequence[Said], policy: Policy) -> list[tuple[Said, Counter[str]]]:
    """Every text of every message, wherever it stands, is looked at in one go."""
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(_storable(text))
        return text

    for one in said:
        _map((one.content, one.details), note)
    found = iter(_redact(texts, policy))
    cleaned = []
    for one in said:
        counts: Counter[str] = Counter()

        def take(_: str, counts: Counter[str] = counts) -> str:
            redacted = next(found)
            counts.update(redacted.counts)
            return redacted.text

        content, details = _map((one.content, one.details), take)
        cleaned.append((replace(one, content=content, details=details), counts))
    return cleaned


def _redact(texts: Sequence[str], policy: Policy) -> list[Redacted]:
    """Cut to length. Of a text that was cut for being looked at the end is not believed: there may be a part of
    something."""
    most = policy.max_chars_per_message
    if policy.rule_set is None:
        return [Redacted(text[:most], Counter()) for text in texts]
    wide = most + MARGIN_CHARS
    found = redact([text[:wide] for text in texts], policy.rule_set)
    return [
        replace(one, text=one.text[: min(most, len(one.text) - MARGIN_CHARS) if len(text) > wide else most])
        for text, one in zip(texts, found, strict=True)
    ]


def _map(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each of its texts changed, in one order. A number may be one of a card, and is a text for that;
    it stays a number where nothing was changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): _map(held, change) for name, held in value.items()}
    if isinstance(value, tuple | list):
        return [_map(held, change) for held in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = str(value)
        changed = change(text)
        return value if changed == text else changed
    return value


def _storable(text: str) -> str:
    """Without what no Postgres text holds, and without pictures and files."""
    if text.startswith("data:"):
        kind, comma, data = text.partition(",")
        return f"{kind},[{len(data)} characters]" if comma else text
    if len(text) > MARGIN_CHARS and BASE64.fullmatch(text, 0, MARGIN_CHARS):
        return f"[{len(text)} characters]"
    return text.replace("\0", "\ufffd")


def _account(counts: Counter[str], policy: Policy) -> dict[str, Any] | None:
    if policy.rule_set is None:
        return None
    return {"rule_id": policy.rule_set, "fields_redacted": sorted(counts), "counts": dict(sorted(counts.items()))}

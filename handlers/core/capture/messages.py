"""Messages as they are kept: cut to length, with secrets and personal data taken out, pictures and files left out.

Costs time: not for the event loop.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from handlers.core.asks import AnyAsk, ChatAsk
from handlers.core.capture.policy import Policy
from handlers.core.capture.redaction import Redacted, redact
from storage.captured import CapturedMessage

BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
EXTRAS = ("tools", "response_format")
REST = "request"
"""What of a request is no message is kept with its first one: `EXTRAS` under their own names, the rest below `REST`."""
PARTS = "content_parts"
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


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`counts` are by rule how often something was taken out. `is_cut` where a text is not kept to its end, or not at
    all."""

    said: Said
    counts: Counter[str]
    is_cut: bool


def write(ask: AnyAsk, bodies: Sequence[Mapping[str, Any]], policy: Policy, place: Place) -> list[CapturedMessage]:
    """`bodies` are the whole answers, in OpenAI's shape."""
    said = [*_asked(ask), *(one for body in bodies for one in _answered(body))]
    return [
        CapturedMessage(
            request_id=place.request_id,
            message_seq=place.first + number,
            project_id=place.project_id,
            at=place.at,
            kind=one.said.kind,
            role=one.said.role,
            model=place.model,
            content=one.said.content,
            is_truncated=one.is_cut,
            details=one.said.details or None,
            redaction=_account(one.counts, policy),
        )
        for number, one in enumerate(_clean(said, policy))
    ]


def _asked(ask: AnyAsk) -> Iterable[Said]:
    if not isinstance(ask, ChatAsk):
        yield from (Said("request", "user", prompt, {}) for prompt in ask.prompts)
        return
    rest = {"models": list(ask.models), **{name: ask.options[name] for name in ask.options if name not in EXTRAS}}
    extras = {name: ask.options[name] for name in EXTRAS if ask.options.get(name)} | {REST: rest}
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
    details = {name: value for name, value in message.items() if name not in ("role", "content") and value is not None}
    content = message.get("content")
    if isinstance(content, list):
        details[PARTS] = content
        content = "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    role = message.get("role")
    return Said(kind, role if role in ROLES else "user", content or "", details)


def _clean(said: Sequence[Said], policy: Policy) -> Iterator[Cleaned]:
    """Every text of every message, wherever it stands, is looked at in one go."""
    texts: list[str] = []
    cut: list[bool] = []

    def note(text: str) -> str:
        storable = _storable(text)
        texts.append(storable)
        cut[-1] |= storable != text or len(text) > policy.max_chars_per_message
        return text

    for one in said:
        cut.append(False)
        _map((one.content, one.details), note)
    found = iter(_redact(texts, policy))
    for one, is_cut in zip(said, cut, strict=True):
        counts: Counter[str] = Counter()

        def take(_: str, counts: Counter[str] = counts) -> str:
            redacted = next(found)
            counts.update(redacted.counts)
            return redacted.text

        content, details = _map((one.content, one.details), take)
        yield Cleaned(replace(one, content=content, details=details), counts, is_cut)


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


def read_request(messages: Sequence[CapturedMessage]) -> dict[str, Any] | None:
    """The chat that was asked, as OpenAI's request with `models` for its model; None where not all of it is there."""
    numbers = [message.message_seq for message in messages]
    asked = [message for message in messages if message.kind == "request"]
    if not asked or numbers != list(range(1, len(numbers) + 1)) or not all(map(is_whole, asked)):
        return None
    first = asked[0].details or {}
    if REST not in first:
        return None
    extras = {name: first[name] for name in EXTRAS if name in first}
    return {**first[REST], **extras, "messages": [_message(message) for message in asked]}


def is_whole(message: CapturedMessage) -> bool:
    """Whether all of the message is kept as it was said."""
    return not message.is_truncated and not (message.redaction or {}).get("counts")


def _message(kept: CapturedMessage) -> dict[str, Any]:
    details = {name: value for name, value in (kept.details or {}).items() if name not in (*EXTRAS, REST)}
    content = details.pop(PARTS, kept.content)
    return {"role": kept.role, "content": content or None if "tool_calls" in details else content, **details}

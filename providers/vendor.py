"""Who a vendor is, and what its error answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any, Literal

import orjson

from providers.errors import ProviderError, Refused, Throttled, TimedOut, Unauthorized, Unavailable
from providers.http import Answer

GrammarStyle = Literal["response_format", "structured_outputs", "guided_grammar", "grammar", "ebnf"]
"""How a vendor is told a grammar: as Fireworks, vLLM of today, vLLM before 0.12, llama.cpp and SGLang are."""
MESSAGE_CHARACTERS = 1000
SECRET_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Vendor:
    """`base_url` is what the vendor's own SDK takes (`https://api.openai.com/v1`); `headers` go with every call. A
    vendor without `grammar` writes by none."""

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    grammar: GrammarStyle | None = None

    def url(self, path: str) -> str:
        return self.base_url.rstrip("/") + path

    def censor(self, text: str) -> str:
        """The text without our key or a header's value, which vendors like to repeat in their errors; a value of a few
        letters is no secret, but may be a word."""
        for secret in sorted((self.api_key or "", *self.headers.values()), key=len, reverse=True):
            if len(secret) >= SECRET_CHARACTERS:
                text = text.replace(secret, "***")
        return text


def bearer(vendor: Vendor) -> dict[str, str]:
    """The header that most vendors take their key from."""
    return {"authorization": f"Bearer {vendor.api_key}"} if vendor.api_key else {}


@dataclass(frozen=True, slots=True)
class Detail:
    """What an error may tell besides its message."""

    retry_after_seconds: int | None = None
    param: str | None = None
    code: str | None = None


def error_of(answer: Answer, vendor: Vendor, now: float) -> ProviderError:
    """The error that an answer stands for, told in the vendor's words as far as it has any.

    Reads `{"error": {"message", "type", "param", "code"}}` (OpenAI, Anthropic), `{"error": "..."}`, `{"message"}`,
    `{"detail"}` and plain text. Pages in HTML are not repeated.
    """
    fault = _fault_in(answer.body)
    message = vendor.censor(_message_of(fault, answer))[:MESSAGE_CHARACTERS]
    code = fault.get("code") or fault.get("type")
    param = fault.get("param")
    if answer.status == 401:
        message = "refused our key"  # vendors repeat parts of a key that is wrong
    detail = Detail(
        retry_after_seconds=retry_after(answer.headers, now),
        param=vendor.censor(str(param)) if param else None,
        code=vendor.censor(str(code)) if code else None,
    )
    return error_for(answer.status, f"{vendor.name}: {message}", detail)


def error_for(status: int, message: str, detail: Detail) -> ProviderError:
    """The error that a vendor's HTTP status stands for."""
    if status == 429:
        return Throttled(message, status=status, retry_after_seconds=detail.retry_after_seconds)
    if status in (401, 402, 403):
        return Unauthorized(message, status=status)
    if status in (408, 504):
        return TimedOut(message, status=status)
    if 400 <= status < 500:
        return Refused(message, status=status, param=detail.param, code=detail.code)
    return Unavailable(message, status=status)


def retry_after(headers: Mapping[str, str], now: float) -> int | None:
    """Whole seconds from `Retry-After`, which is seconds or a date (RFC 9110); None where it is absent or senseless."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return max(0, ceil(seconds)) if seconds < 10**9 else None


def _fault_in(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(parsed, list) and parsed:  # Gemini wraps its error into a list
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return {}
    inner = parsed.get("error")
    if isinstance(inner, dict):
        return inner
    message = inner or parsed.get("message") or parsed.get("detail")
    return {**parsed, "message": message} if message else parsed


def _message_of(fault: Mapping[str, Any], answer: Answer) -> str:
    message = fault.get("message")
    if message:
        return message if isinstance(message, str) else orjson.dumps(message).decode()
    text = answer.body[: 4 * MESSAGE_CHARACTERS].decode(errors="replace").strip()
    if not text or text.startswith(("<", "{", "[")):
        return f"answered {answer.status}"
    return text

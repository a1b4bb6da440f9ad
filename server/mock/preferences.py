"""What a client prefers of a mock: `Prefer: code=404, example=empty, dynamic=true` (RFC 7240), or `?__code=404`, as
other mock servers of OpenAPI documents have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from handlers.core.errors import Invalid

PREFERENCE = re.compile(r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?[^,]*""")
KNOWN = ("code", "example", "dynamic")
STATUS = re.compile(r"[2-5]\d\d")


@dataclass(frozen=True, slots=True)
class Preferences:
    """`code` is a status, `example` the name of one; `dynamic` wants an answer made from the schema, which differs
    from address to address. What is None was not asked for."""

    code: str | None = None
    example: str | None = None
    dynamic: bool = False

    def applied(self) -> str:
        """For the header `Preference-Applied`."""
        words = {"code": self.code, "example": self.example, "dynamic": "true" if self.dynamic else None}
        return ", ".join(f"{name}={value}" for name, value in words.items() if value)


def read_preferences(headers: Mapping[str, str], query: bytes) -> Preferences:
    """Preferences that are of no concern to a mock are passed over. Raises `Invalid`."""
    asked: dict[str, str] = {}
    for found in PREFERENCE.finditer(headers.get("prefer", "")):
        value = found[2] or ""
        asked.setdefault(found[1].lower(), re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value)
    for name, value in parse_qsl(query.decode("latin-1")):
        if name.startswith("__"):
            asked.setdefault(name[2:], value)
    wanted = {name: asked[name] for name in KNOWN if name in asked}
    code, dynamic = wanted.get("code"), wanted.get("dynamic")
    if code is not None and not STATUS.fullmatch(code):
        raise Invalid(f"Prefer: code={code} is no HTTP status", param="Prefer")
    if dynamic is not None and dynamic not in ("true", "false"):
        raise Invalid(f"Prefer: dynamic={dynamic} is neither true nor false", param="Prefer")
    return Preferences(code, wanted.get("example"), dynamic == "true")

"""Credentials in request headers, and the checks that an OpenAPI security scheme asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest
from typing import Any, Protocol
from urllib.parse import urlsplit

from handlers.core.call import Caller
from server.auth.signed_requests import SignedRequests
from server.config import is_loopback

Headers = Mapping[str, str]
Check = Callable[[Headers], Awaitable[Caller | None]]

ADMIN_HEADER = "x-admin-token"
KEY_HEADER = "x-api-key"
SIGNED_HEADER = "authorization"
ADMIN = Caller(project_id="", project="", admin=True)
"""Whoever holds an admin token: of no project."""


class Keys(Protocol):
    """What `handlers.core.keys.KeyRing` offers."""

    async def find(self, presented: str) -> Caller | None: ...

    async def admin(self, token: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Checks one presented credential against the key ring. `everybody` is who a request is without authentication
    (`--no-auth`); it opens what a key opens and never what the admin token opens.

    Only this machine is everybody: a page of another site, open in a browser here, can reach the loopback, too. It is
    known by its `Origin`, unless that is among `origins`, or by a `Host` that was made to resolve to the loopback.
    """

    keys: Keys
    everybody: Caller | None = None
    origins: frozenset[str] = frozenset()
    signed: SignedRequests | None = None

    def check_for(self, scheme: Mapping[str, Any]) -> Check | None:
        """The check of a security scheme object, or None for a kind that is not known here: AWS signatures, and what
        comes in the query or in a cookie."""
        kind, where, name = scheme.get("type"), scheme.get("in"), str(scheme.get("name", "")).lower()
        if kind == "http" and str(scheme.get("scheme", "")).lower() == "bearer":
            return self.bearer
        if kind == "apiKey" and where == "header" and name == KEY_HEADER:
            return self.api_key
        if kind == "apiKey" and where == "header" and name == ADMIN_HEADER:
            return self.admin
        if kind in ("oauth2", "openIdConnect"):  # whose tokens are ours here
            return self.bearer
        if kind == "apiKey" and where == "header" and name != SIGNED_HEADER:
            return partial(self._named, name)
        return None

    def bearer(self, headers: Headers) -> Awaitable[Caller | None]:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return self._caller(key.strip() if scheme.lower() == "bearer" else "", headers)

    def _named(self, header: str, headers: Headers) -> Awaitable[Caller | None]:
        return self._caller(headers.get(header, ""), headers)

    def api_key(self, headers: Headers) -> Awaitable[Caller | None]:
        return self._caller(headers.get(KEY_HEADER, ""), headers)

    async def admin(self, headers: Headers) -> Caller | None:
        token = headers.get(ADMIN_HEADER, "")
        return ADMIN if token and await self.keys.admin(token) else None

    async def recognise(self, headers: Headers) -> Caller | None:
        """Whoever a valid key names, on an operation that is open to everybody."""
        return await self.bearer(headers) or await self.api_key(headers)

    async def _caller(self, key: str, headers: Headers) -> Caller | None:
        if self.everybody is not None:
            return self.everybody if self._is_from_here(headers) else None
        return await self.keys.find(key) if key else None

    def _is_from_here(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        invited = origin is None or not self.origins.isdisjoint((origin, "*"))
        foreign = not invited and not is_loopback(hostname(origin or ""))
        return not foreign and is_loopback(hostname("//" + headers.get("host", "localhost")))

    def complaint(self, headers: Headers) -> str:
        if self.everybody is not None and not self._is_from_here(headers):
            return "without authentication only this machine is served, by its own address"
        if "authorization" in headers or KEY_HEADER in headers or ADMIN_HEADER in headers:
            return "the credential is not valid for this operation"
        return "no credential: send an API key as 'Authorization: Bearer KEY'"


def is_signature(scheme: Mapping[str, Any]) -> bool:
    """Whether it is AWS's, for which OpenAPI has no word but the header that it goes by."""
    return scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == SIGNED_HEADER


@dataclass(frozen=True, slots=True)
class Overseer:
    """Lets those see what is of every project who hold an admin token, in its own header or as a bearer, or the token
    that is made for it; nobody without authentication."""

    keys: Keys
    token: str | None

    async def admits(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        shown = [headers.get(ADMIN_HEADER, ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        for token in filter(None, shown):
            if self.token is not None and compare_digest(token.encode(), self.token.encode()):
                return True
            if await self.keys.admin(token):
                return True
        return False


def hostname(url: str) -> str:
    """Empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

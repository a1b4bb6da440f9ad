"""Who may call an operation, compiled per operation from the document and checked on every request.

An operation holds alternatives (`Operation.security`), each a set of schemes that must all succeed. Nothing is
remembered between requests: a cache by header once let a key open an operation that wanted the admin token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connexion.middleware.abstract import SpecMiddleware

from codegen.operation import Operation
from handlers.core.call import Caller
from handlers.core.errors import Forbidden, NotImplementedYet, Unauthenticated
from server.auth.credentials import Authenticator, is_signature
from server.auth.signed_requests import unsigned
from server.openapi31.specification import Document
from server.request import KEY, Request

Check = Callable[[Mapping[str, str]], Awaitable[Caller | None]]


class Security:
    """The compiled schemes of one document. An operation all of whose schemes are unknown here answers 501."""

    def __init__(self, api: str, schemes: Mapping[str, Any], authenticator: Authenticator) -> None:
        self._api = api
        self._authenticator = authenticator
        self._checks: dict[str, Check] = {}
        self._signatures = frozenset(name for name, scheme in schemes.items() if is_signature(scheme))
        for name, scheme in schemes.items():
            check = authenticator.check_for(scheme)
            if check is not None:
                self._checks[name] = check

    def takes_signatures(self, operation: Operation) -> bool:
        """Whether requests of this operation may be signed with an access key."""
        return any(self._signatures.issuperset(alternative) for alternative in operation.security if alternative)

    async def identify(self, operation: Operation, headers: Mapping[str, str]) -> Caller | None:
        """The caller, or None on an open operation without a valid key.

        Raises `Unauthenticated`, `Forbidden` (the key is limited to other APIs), `NotImplementedYet`.
        """
        if not operation.security:
            return await self._authenticator.recognise(headers)
        checkable = False
        for alternative in operation.security:
            checks = [self._checks.get(scheme) for scheme in alternative]
            if None in checks:
                continue
            checkable = True
            caller = await self._all_of([check for check in checks if check is not None], headers)
            if caller is not None:
                return self._admit(caller)
        if not checkable:
            names = sorted({scheme for alternative in operation.security for scheme in alternative})
            raise NotImplementedYet(f"requests signed by {', '.join(names)} cannot be checked yet")
        raise Unauthenticated(self._authenticator.complaint(headers), headers={"WWW-Authenticate": "Bearer"})

    async def _all_of(self, checks: list[Check], headers: Mapping[str, str]) -> Caller | None:
        caller: Caller | None = None
        for check in checks:
            found = await check(headers)
            if found is None:
                return None
            caller = caller or found
        return caller

    def _admit(self, caller: Caller) -> Caller:
        if caller.apis is not None and self._api not in caller.apis:
            raise Forbidden(f"this key is not for the {self._api} API", code="api_not_allowed")
        return caller


class SecurityMiddleware(SpecMiddleware):  # type: ignore[misc]
    """Sets `Request.who` (ASGI middleware)."""

    def __init__(self, app: Any, *, api: str, authenticator: Authenticator) -> None:
        self.app = app
        self._api = api
        self._authenticator = authenticator
        self._security: Security | None = None

    def add_api(self, specification: Document, **_: Any) -> None:
        self._security = Security(self._api, specification.security_schemes, self._authenticator)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        if self._security is None:
            raise RuntimeError("security has no document")
        signed = self._authenticator.signed
        if signed is not None and self._security.takes_signatures(request.routed):
            if signed.is_signed(request) and self._authenticator.everybody is None:
                request.who, receive = await signed.admit(request, scope, receive)
            else:
                request.who = await self._security.identify(request.routed, request.headers)
                receive = unsigned(request, receive)
        else:
            request.who = await self._security.identify(request.routed, request.headers)
        await self.app(scope, receive, send)

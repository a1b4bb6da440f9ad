"""Who may call an operation, compiled per operation from the document and checked on every request.

An operation holds alternatives (`Operation.security`), each a set of schemes that must all succeed. Nothing is
remembered between requests: a cache by header once let a key open an operation that wanted the admin token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codegen.operation import Operation
from handlers.core.call import Caller
from handlers.core.errors import Forbidden, NotImplementedYet, Unauthenticated
from server.auth.credentials import Authenticator, is_signature
from server.auth.signed_requests import unsigned
from server.request import Request

Check = Callable[[Mapping[str, str]], Awaitable[Caller | None]]
Receive = Callable[[], Awaitable[Any]]


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

    def guard(self, operation: Operation) -> Guard:
        named = operation.security
        checkable = [names for names in named if all(name in self._checks for name in names)]
        unknown = sorted({name for names in named for name in names}) if named and not checkable else []
        return Guard(
            api=self._api,
            authenticator=self._authenticator,
            alternatives=tuple(tuple(self._checks[name] for name in names) for names in checkable),
            unknown=tuple(unknown),
            is_signable=self._authenticator.signed is not None
            and any(self._signatures.issuperset(names) for names in named if names),
        )


@dataclass(frozen=True, slots=True)
class Guard:
    """Of one operation. `alternatives` are checks of which all of one must succeed; without any the operation is open,
    or asks for schemes that are `unknown`. `is_signable` is whether its requests may be signed with an access key: they
    are for `admit`, all others for `identify`."""

    api: str
    authenticator: Authenticator
    alternatives: tuple[tuple[Check, ...], ...]
    unknown: tuple[str, ...]
    is_signable: bool

    async def admit(self, request: Request, scope: Any, receive: Receive) -> Receive:
        """Sets `Request.who`, and gives the request's body, held against its signature where it has one. Raises as
        `identify`, and `S3Fault`."""
        signed = self.authenticator.signed
        if signed is None:
            raise RuntimeError("nobody knows access keys")
        if signed.is_signed(request) and self.authenticator.everybody is None:
            request.who, receive = await signed.admit(request, scope, receive)
            return receive
        request.who = await self.identify(request.headers)
        return unsigned(request, receive)

    async def identify(self, headers: Mapping[str, str]) -> Caller | None:
        """The caller, or None on an open operation without a valid key.

        Raises `Unauthenticated`, `Forbidden` (the key is limited to other APIs), `NotImplementedYet`.
        """
        for checks in self.alternatives:
            caller: Caller | None = None
            for check in checks:
                found = await check(headers)
                if found is None:
                    break
                caller = caller or found
            else:
                if caller is not None:
                    return self._admit(caller)
        if self.unknown:
            raise NotImplementedYet(f"requests signed by {', '.join(self.unknown)} cannot be checked yet")
        if not self.alternatives:
            return await self.authenticator.recognise(headers)
        raise Unauthenticated(self.authenticator.complaint(headers), headers={"WWW-Authenticate": "Bearer"})

    def _admit(self, caller: Caller) -> Caller:
        if caller.apis is not None and self.api not in caller.apis:
            raise Forbidden(f"this key is not for the {self.api} API", code="api_not_allowed")
        return caller

"""One API from the path of a request to its endpoint: routing, security, validation, idempotency, in this order.

What an operation asks of its requests is compiled at the first of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from connexion.middleware.abstract import SpecMiddleware

from codegen.operation import Operation
from handlers.core.errors import NotImplementedYet
from handlers.core.idempotency import Idempotency
from server.auth.credentials import Authenticator
from server.binding.idempotent import HEADER, Idempotent
from server.openapi31.routing import Router
from server.openapi31.security import Guard, Security
from server.openapi31.specification import Document
from server.openapi31.validation import Limits, RequestValidator
from server.request import KEY, Request

Endpoint = Callable[[Request, Any, Any], Awaitable[None]]
"""Answers a request; beside it, ASGI's `receive` and `send`."""


class Endpoints(Protocol):
    def find(self, operation: Operation, document: Document) -> Endpoint | None:
        """None where nobody wrote one yet."""
        ...


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands before the endpoints of one API. Without `idempotency` repeated requests are like any other."""

    authenticator: Authenticator
    limits: Limits
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """What a request of one operation goes through: no validator where it has nothing to say, no endpoint where nobody
    wrote one yet."""

    guard: Guard
    validator: RequestValidator | None
    endpoint: Endpoint | None


class Pipeline(SpecMiddleware):  # type: ignore[misc]
    """ASGI application of one API, for requests with a `Request` in their scope. Raises whatever goes wrong."""

    def __init__(self, api: str, endpoints: Endpoints, gate: Gate) -> None:
        self._api = api
        self._endpoints = endpoints
        self._gate = gate
        self._idempotent = Idempotent(self._answer, api=api, idempotency=gate.idempotency) if gate.idempotency else None
        self._courses: dict[str, Course] = {}

    def add_api(self, specification: Document, **_: Any) -> None:
        aliases = [(alias["from"], alias["to"]) for alias in specification.get("x-path-aliases", [])]
        self._router = Router(specification.operations, aliases, specification.get("x-slashed-paths", []))
        self._security = Security(self._api, specification.security_schemes, self._gate.authenticator)
        self._document = specification

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        operation, request.path_values = self._router.find(request.method, request.path)
        request.operation = operation
        course = self._courses.get(operation.operation_id) or self._compile(operation)
        if course.guard.is_signable:
            receive = await course.guard.admit(request, scope, receive)
        else:
            request.who = await course.guard.identify(request.headers)
        if course.endpoint is None:
            raise NotImplementedYet(f"{operation.operation_id} is not implemented yet")
        if course.validator is not None:
            await course.validator.validate(request, receive)
        if self._idempotent is not None and HEADER in request.headers:
            await self._idempotent(scope, receive, send)
        else:
            await course.endpoint(request, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        endpoint = self._courses[request.routed.operation_id].endpoint
        if endpoint is not None:
            await endpoint(request, receive, send)

    def _compile(self, operation: Operation) -> Course:
        has_input = operation.params is not None or operation.body
        course = self._courses[operation.operation_id] = Course(
            self._security.guard(operation),
            RequestValidator(self._document, operation, self._gate.limits) if has_input else None,
            self._endpoints.find(operation, self._document),
        )
        return course

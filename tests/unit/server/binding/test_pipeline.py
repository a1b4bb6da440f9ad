"""In which order a request is judged, and what is made of it on the way to its endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from codegen.operation import Operation, Payload
from handlers.core.call import Caller
from handlers.core.errors import (
    CoreError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    NotImplementedYet,
    Unauthenticated,
)
from server.auth.credentials import Authenticator
from server.binding.pipeline import Endpoint, Gate, Pipeline
from server.openapi31.specification import Document
from server.openapi31.validation import Limits
from server.request import KEY, Request
from tests.unit.server.openapi31.documents import SCHEMAS, Wire, pointer

SCHEMES = {"bearer": {"type": "http", "scheme": "bearer"}, "strange": {"type": "mutualTLS"}}
SHAPE = (Payload("application/json", pointer("Shape")),)
KEYED: tuple[tuple[str, ...], ...] = (("bearer",),)
OPERATIONS = (
    Operation("things_list", "GET", "/things", "handlers.x", "X", security=KEYED),
    Operation("things_create", "POST", "/things", "handlers.x", "X", body=SHAPE, body_required=True, security=KEYED),
    Operation("unbuilt", "POST", "/unbuilt", "handlers.x", "X", body=SHAPE, security=KEYED),
    Operation("hello", "GET", "/hello", "handlers.x", "X"),
    Operation("strange", "GET", "/strange", "handlers.x", "X", security=(("strange",),)),
    Operation("either", "GET", "/either", "handlers.x", "X", security=(("strange",), ("bearer",))),
)
KEY_HEADER = {"authorization": "Bearer right"}


class Keys:
    async def find(self, presented: str) -> Caller | None:
        known = {"right": None, "elsewhere": frozenset({"maniac"})}
        return Caller("project-1", "default", presented, apis=known[presented]) if presented in known else None

    async def admin(self, token: str) -> bool:
        return False


class Endpoints:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answered: list[Request] = []

    def find(self, operation: Operation, document: Document) -> Endpoint | None:
        self.asked.append(operation.operation_id)
        return None if operation.operation_id == "unbuilt" else self._answer

    async def _answer(self, request: Request, receive: Any, send: Any) -> None:
        self.answered.append(request)


class Api:
    def __init__(self) -> None:
        self.endpoints = Endpoints()
        self._pipeline = Pipeline("ipop", self.endpoints, Gate(Authenticator(Keys()), Limits(1000, 1000)))
        content = {"openapi": "3.1.0", "paths": {}, "components": {"schemas": SCHEMAS, "securitySchemes": SCHEMES}}
        self._pipeline.add_api(Document(content, OPERATIONS))

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Wire:
        """What of the body was not read."""
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        wire = Wire([body])
        request = Request({"method": method, "query_string": b"", "headers": fields}, path)
        await self._pipeline({KEY: request}, wire.receive, None)
        return wire


@pytest.mark.parametrize(
    ("method", "path", "headers", "error"),
    [
        ("POST", "/nothing", {}, NotFound),
        ("PUT", "/things", {}, MethodNotAllowed),
        ("POST", "/things", {}, Unauthenticated),
        ("POST", "/things", {"authorization": "Bearer wrong"}, Unauthenticated),
        ("POST", "/things", {"authorization": "Bearer elsewhere"}, Forbidden),
        ("POST", "/things", KEY_HEADER, Invalid),
        ("POST", "/unbuilt", {}, Unauthenticated),
        ("POST", "/unbuilt", KEY_HEADER, NotImplementedYet),
        ("GET", "/strange", KEY_HEADER, NotImplementedYet),
        ("GET", "/either", {}, Unauthenticated),
    ],
)
async def test_first_fault_on_the_way_is_told(
    method: str, path: str, headers: dict[str, str], error: type[CoreError]
) -> None:
    api = Api()
    with pytest.raises(error):
        await api.ask(method, path, headers, b'{"kind":"square"}')
    assert api.endpoints.answered == []


async def test_endpoint_is_given_what_was_found_on_the_way() -> None:
    api = Api()
    await api.ask("POST", "/things", KEY_HEADER, b'{"kind":"circle"}')
    (request,) = api.endpoints.answered
    assert request.routed is OPERATIONS[1]
    assert request.who is not None
    assert request.who.key_id == "right"
    assert request.body.data == {"kind": "circle"}


async def test_operation_without_input_reads_nothing() -> None:
    api = Api()
    assert (await api.ask("GET", "/things", KEY_HEADER, b"what is it")).pieces == [b"what is it"]


async def test_open_operation_knows_who_asks_if_they_say() -> None:
    api = Api()
    await api.ask("GET", "/hello", {})
    await api.ask("GET", "/hello", KEY_HEADER)
    assert [request.who and request.who.key_id for request in api.endpoints.answered] == [None, "right"]


async def test_alternatives_that_nobody_knows_here_are_passed_over() -> None:
    api = Api()
    await api.ask("GET", "/either", KEY_HEADER)
    assert len(api.endpoints.answered) == 1


async def test_operation_is_compiled_once() -> None:
    api = Api()
    for _ in range(3):
        await api.ask("GET", "/things", KEY_HEADER)
    assert api.endpoints.asked == ["things_list"]

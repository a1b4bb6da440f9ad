"""The innermost application of an API in mock mode, and who may call it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from codegen.operation import Operation
from handlers.core.call import Caller
from handlers.wire.upload import RawBody, StreamedForm
from server.auth.credentials import Authenticator, Check, Headers
from server.binding.pipeline import Endpoint
from server.mock.answers import Answer, Answers, Wish
from server.mock.preferences import read_preferences
from server.openapi31.specification import Document
from server.request import Request

HEADER = "X-Concordat-Mock"
KEPT_ANSWERS = 1000
CALLER = Caller(project_id="", project="mock")
"""Whoever calls a mock: of no project, so that nothing is recorded."""


class AnyKey:
    """Takes every key and every token for a valid one (see `server.auth.credentials.Keys`)."""

    async def find(self, presented: str) -> Caller | None:
        return CALLER

    async def admin(self, token: str) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class LenientAuthenticator(Authenticator):
    """Asks whether a credential of a scheme is there; of one that it cannot see, not even that."""

    def check_for(self, scheme: Mapping[str, Any]) -> Check | None:
        return Authenticator.check_for(self, scheme) or partial(self._shown, scheme)

    async def _shown(self, scheme: Mapping[str, Any], headers: Headers) -> Caller | None:
        if scheme.get("type") == "apiKey" and scheme.get("in") == "header":
            return CALLER if headers.get(str(scheme.get("name", "")).lower()) else None
        return CALLER if scheme.get("type") != "http" or "authorization" in headers else None


class MockEndpoints:
    """Answers every operation of its document (see `server.binding.pipeline.Endpoints`)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._answers: Answers | None = None
        self._kept: OrderedDict[tuple[str, Wish], Answer] = OrderedDict()

    def find(self, operation: Operation, document: Document) -> Endpoint:
        self._answers = self._answers or Answers(document, self._seed)
        return self._answer

    async def _answer(self, request: Request, receive: Any, send: Any) -> None:
        preferences = read_preferences(request.headers, request.query)
        await _read_rest(request)
        address = f"{request.path}?{request.query.decode('latin-1')}" if preferences.dynamic else ""
        wish = Wish(preferences, _is_streamed(request), request.headers.get("accept", ""), address)
        answer = await self._find(request, wish)
        headers = {**answer.headers, "X-Request-Id": request.request_id}
        if applied := preferences.applied():
            headers["Preference-Applied"] = applied
        await _send(answer, headers, send)

    async def _find(self, request: Request, wish: Wish) -> Answer:
        key = (request.routed.operation_id, wish)
        found = self._kept.get(key)
        if found is None:
            if self._answers is None:
                raise RuntimeError("the mock has no document")
            found = await asyncio.to_thread(self._answers.answer, request.routed, wish)
            self._kept[key] = found
            if len(self._kept) > KEPT_ANSWERS:
                self._kept.popitem(last=False)
        return found


def _is_streamed(request: Request) -> bool:
    data = request.body.data if request.body is not None else None
    return (isinstance(data, dict) and data.get("stream") is True) or getattr(request.params, "stream", None) is True


async def _read_rest(request: Request) -> None:
    """What is still on the wire of a body that a handler would read, and is judged as it comes."""
    data = request.body.data if request.body is not None else None
    if isinstance(data, RawBody | StreamedForm):
        async for _ in data.chunks:
            pass


async def _send(answer: Answer, headers: Mapping[str, str], send: Any) -> None:
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    if answer.media_type is not None:
        fields.append((b"content-type", answer.media_type.encode("latin-1")))
    if answer.is_stream:
        fields.append((b"cache-control", b"no-cache"))
    elif answer.status not in (204, 304):
        fields.append((b"content-length", b"%d" % sum(map(len, answer.frames))))
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    for frame in answer.frames:
        await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Marked:
    """Puts the mark of mock mode on every answer of an application (ASGI)."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (HEADER.lower().encode(), b"true")]}
            await send(message)

        await self._app(scope, receive, send_marked)

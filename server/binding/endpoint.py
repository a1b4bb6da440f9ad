"""Operation and handler made into an endpoint: the handler is called, and what it returns is sent.

A whole answer is sent once its record is committed; a stream (`streams.py`) starts once its row is.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
import structlog
from connexion.middleware.abstract import SpecMiddleware

from codegen.operation import Operation
from handlers.core.call import Call
from handlers.core.errors import CoreError, NotImplementedYet
from handlers.core.services import Services
from handlers.wire.reply import ByteStream, EventStream, Reply
from handlers.wire.upload import RawBody, StreamedForm
from providers.trace_context import TraceContext, outgoing
from server.binding.boundary import Wording
from server.binding.recorder import Recorder
from server.binding.streams import StreamSender
from server.binding.watch import Interrupted, OpenStreams, Watch
from server.inspect import Handler
from server.openapi31.specification import Document
from server.openapi31.validation import ResponseValidator
from server.request import KEY, Request
from storage.repositories.telemetry.requests import span_id_of, trace_id_of

log = structlog.get_logger("concordat.server")

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Serving:
    """What the endpoints of one API share. `keep_alive_seconds` is how long an event stream may be silent;
    `exports_traces` is whether our own spans go anywhere."""

    api: str
    services: Services
    wording: Wording
    recorder: Recorder
    streams: OpenStreams
    keep_alive_seconds: float
    validate_responses: bool
    exports_traces: bool = False


class Endpoint:
    """One operation with its handler."""

    def __init__(self, operation: Operation, handler: Handler, serving: Serving, document: Document) -> None:
        self._operation = operation
        self._handler = handler
        self._serving = serving
        self._sender = StreamSender(serving.wording, serving.recorder, serving.keep_alive_seconds)
        success = next((r for r in operation.responses if r.status.startswith("2")), None)
        self._status = int(success.status) if success is not None and success.status.isdigit() else 200
        self._has_content = success is None or bool(success.payloads)
        self._judge = ResponseValidator(document) if serving.validate_responses else None

    async def __call__(self, request: Request, receive: Any, send: Any) -> None:
        record = request.record = self._serving.recorder.open(request)
        self._pass_on_trace(request)
        watch = Watch(None if _is_raw(request) else receive, self._serving.streams)
        call = Call(
            services=self._serving.services,
            api=self._serving.api,
            operation_id=self._operation.operation_id,
            request_id=request.request_id,
            headers=request.headers,
            record=record,
            who=request.who,
            scheme=request.scheme,
            query=request.query.decode("latin-1"),
            outlive_client=watch.outlive_client,
            hand_over_record=request.hand_over_record,
            begin_record=partial(self._serving.recorder.begin, request),
        )
        try:
            async with watch:
                answer = await self._handle(request, call)
                if isinstance(answer, EventStream):
                    await self._stream(answer, call, request, (watch, send))
                elif isinstance(answer, ByteStream):
                    await self._sender.send_bytes(answer, request, send)
                else:
                    reply = answer if isinstance(answer, Reply) else Reply(answer)
                    await self._send(reply, request, send)
        except Interrupted as interrupted:
            await self._sender.interrupt(interrupted, request, send)

    def _pass_on_trace(self, request: Request) -> None:
        """Vendors are told of a trace that somebody looks at: the client, or whoever gets our own spans."""
        given = request.trace
        if given is None and not self._serving.exports_traces:
            return
        trace_id = given.trace_id if given else trace_id_of(request.request_id)
        mine = TraceContext(trace_id, span_id_of(request.request_id))
        outgoing.set(replace(mine, flags=given.flags, state=given.state) if given else mine)

    async def _handle(self, request: Request, call: Call) -> Any:
        arguments: dict[str, Any] = {}
        if self._handler.takes_params:
            arguments["params"] = request.params
        if self._handler.takes_body:
            arguments["body"] = request.body
        return await self._handler.function(**arguments, call=call)

    async def _stream(self, stream: EventStream, call: Call, request: Request, to: tuple[Watch, Any]) -> None:
        """A stream of a model's answer is among those that are open."""
        watch, send = to
        async with aclosing(stream.events):  # type: ignore[type-var]
            if call.record.model is not None:
                call.services.streams.open(call.gauge, call.record)
                call.gauge.cancels_on_disconnect = not watch.outlives
                request.gauge = call.gauge
            try:
                await self._sender.send(stream, request, watch, send)
            finally:
                call.services.streams.close(call.gauge)

    async def _send(self, reply: Reply, request: Request, send: Any) -> None:
        status = reply.status or self._status
        body, media_type = self._encode(reply)
        self._check(status, media_type, reply)
        if request.record is not None:
            await self._serving.recorder.close(request.record, request, "completed", status)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
        if media_type:
            headers.append((b"content-type", media_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % len(body)))
        headers.append((b"x-request-id", request.request_id.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _encode(self, reply: Reply) -> tuple[bytes, str | None]:
        if isinstance(reply.content, bytes):
            return reply.content, JSON if reply.media_type is None else reply.media_type
        if reply.content is None and not self._has_content:
            return b"", None
        return orjson.dumps(reply.content), reply.media_type or JSON

    def _check(self, status: int, media_type: str | None, reply: Reply) -> None:
        """Raises an internal error when the answer is not what the document promises (a setting; on in tests)."""
        if self._judge is None or media_type != JSON:
            return
        content = orjson.loads(reply.content) if isinstance(reply.content, bytes) else reply.content
        fault = self._judge.fault(self._operation, status, media_type, content)
        if fault is not None:
            log.error("response_contradicts_document", fault=fault)
            raise CoreError("the answer contradicts the document")


def _is_raw(request: Request) -> bool:
    """Whether the handler itself reads the body, and so is the one to notice a client that hangs up."""
    return request.body is not None and isinstance(request.body.data, RawBody | StreamedForm)


class Endpoints(SpecMiddleware):  # type: ignore[misc]
    """The innermost application of an API: every bound operation, and 501 for the rest."""

    def __init__(self, serving: Serving, handlers: dict[str, Handler]) -> None:
        self._serving = serving
        self._handlers = handlers
        self._endpoints: dict[str, Endpoint] = {}

    def add_api(self, specification: Document, **_: Any) -> None:
        for operation in specification.operations:
            handler = self._handlers.get(operation.operation_id)
            if handler is not None:
                endpoint = Endpoint(operation, handler, self._serving, specification)
                self._endpoints[operation.operation_id] = endpoint

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        endpoint = self._endpoints.get(request.routed.operation_id)
        if endpoint is None:
            raise NotImplementedYet(f"{request.routed.operation_id} is not implemented yet")
        await endpoint(request, receive, send)

"""Operation and handler made into an endpoint: the handler is called, and what it returns is sent.

A whole answer is sent once its record is committed; a stream (`streams.py`) starts once its row is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
import structlog

from codegen.operation import Operation
from handlers.core.call import Call
from handlers.core.errors import CoreError
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
from server.request import Request
from storage.repositories.telemetry.requests import span_id_of, trace_id_of

log = structlog.get_logger("concordat.server")

JSON = "application/json"
READ_BY_HANDLERS = (RawBody, StreamedForm)


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
        if request.trace is not None or self._serving.exports_traces:
            _pass_on_trace(request)
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
                answer = await self._handler.function(**self._arguments(request), call=call)
                if isinstance(answer, EventStream):
                    await self._stream(answer, call, request, (watch, send))
                elif isinstance(answer, ByteStream):
                    await self._sender.send_bytes(answer, request, send)
                else:
                    reply = answer if isinstance(answer, Reply) else Reply(answer)
                    await self._send(reply, request, send)
        except Interrupted as interrupted:
            await self._sender.interrupt(interrupted, request, send)

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if self._handler.takes_params:
            arguments["params"] = request.params
        if self._handler.takes_body:
            arguments["body"] = request.body
        return arguments

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
        if self._judge is not None:
            self._check(self._judge, status, media_type, reply)
        if request.record is not None:
            await self._serving.recorder.close(request.record, request, "completed", status)
        headers = [
            (b"content-type", media_type.encode("latin-1")),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request.request_id.encode()),
        ]
        if not media_type:
            del headers[0]
        if reply.headers:
            named = reply.headers.items()
            headers[:0] = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _encode(self, reply: Reply) -> tuple[bytes, str]:
        """The body and its media type, which is empty where there is no content."""
        if isinstance(reply.content, bytes):
            return reply.content, JSON if reply.media_type is None else reply.media_type
        if reply.content is None and not self._has_content:
            return b"", ""
        return orjson.dumps(reply.content), reply.media_type or JSON

    def _check(self, judge: ResponseValidator, status: int, media_type: str, reply: Reply) -> None:
        """Raises an internal error when the answer is not what the document promises (a setting; on in tests)."""
        if media_type != JSON:
            return
        content = orjson.loads(reply.content) if isinstance(reply.content, bytes) else reply.content
        fault = judge.fault(self._operation, status, media_type, content)
        if fault is not None:
            log.error("response_contradicts_document", fault=fault)
            raise CoreError("the answer contradicts the document")


def _pass_on_trace(request: Request) -> None:
    """Vendors are told of a trace that somebody looks at: the client, or whoever gets our own spans."""
    given = request.trace
    trace_id = given.trace_id if given else trace_id_of(request.request_id)
    mine = TraceContext(trace_id, span_id_of(request.request_id))
    outgoing.set(replace(mine, flags=given.flags, state=given.state) if given else mine)


def _is_raw(request: Request) -> bool:
    """Whether the handler itself reads the body, and so is the one to notice a client that hangs up."""
    return request.body is not None and isinstance(request.body.data, READ_BY_HANDLERS)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Those of one API; `handlers` are by operation id."""

    serving: Serving
    handlers: Mapping[str, Handler]

    def find(self, operation: Operation, document: Document) -> Endpoint | None:
        handler = self.handlers.get(operation.operation_id)
        return None if handler is None else Endpoint(operation, handler, self.serving, document)

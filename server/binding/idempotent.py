"""`Idempotency-Key` on POST: a repeated request gets the first one's answer, and nothing is done twice.

The answer is stored before its end goes out, which in a stream is the last event. Answers that a retry may better (429,
5xx, streams that broke off) are not kept: a repeated request is then done again. Of one larger than `MAX_KEPT_BYTES`
only the fact is kept, and a repetition is refused with 409.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson

from codegen.operation import Body
from handlers.core.idempotency import Claimed, Idempotency, Replay
from handlers.wire.reply import Last
from handlers.wire.upload import RawBody, StreamedForm, Upload
from server.request import KEY, Request

HEADER = "idempotency-key"
MAX_KEPT_BYTES = 8 * 1024 * 1024
DROPPED_HEADERS = frozenset({"content-length", "x-request-id"})


class Idempotent:
    """ASGI middleware between validation and the endpoints."""

    def __init__(self, app: Any, *, api: str, idempotency: Idempotency) -> None:
        self.app = app
        self._api = api
        self._idempotency = idempotency

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        if HEADER not in request.headers or request.method != "POST" or request.who is None:
            await self.app(scope, receive, send)
            return
        operation = f"{self._api}.{request.routed.operation_id}"
        mark = await asyncio.to_thread(fingerprint, request)  # of a body that may be large, and of files
        claim = await self._idempotency.claim(request.who.project_id, request.headers[HEADER], operation, mark)
        digest = Digest.of(request)
        if isinstance(claim, Replay):
            if digest is not None:
                self._idempotency.check_same(claim, await digest.finish())
            await _replay(claim, request, send)
            return
        recording = Recording(self._idempotency, claim, request, send, digest)
        try:
            await self.app(scope, receive, recording.send)
        finally:
            await recording.close()


class Digest:
    """Of a body that only its handler reads: made on the way there, piece by piece, in a thread."""

    def __init__(self, body: RawBody | StreamedForm) -> None:
        self._body = body
        self._hashed = hashlib.sha256()

    @classmethod
    def of(cls, request: Request) -> Digest | None:
        """Takes its place between the request's body and who reads it."""
        data = request.body.data if request.body is not None else None
        if not isinstance(data, RawBody | StreamedForm):
            return None
        digest = cls(data)
        request.body = Body(replace(data, chunks=digest._pass_on()))
        return digest

    async def _pass_on(self) -> AsyncIterator[bytes]:
        async with aclosing(self._body.chunks) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                await asyncio.to_thread(self._hashed.update, chunk)
                yield chunk

    async def finish(self) -> str:
        """Reads on to the end, where somebody else has not."""
        async for _ in self._pass_on():
            pass
        return self.text

    @property
    def text(self) -> str:
        """Of all that was read."""
        hashed = self._hashed.copy()
        if isinstance(self._body, StreamedForm):
            described = [self._body.filename, self._body.media_type, self._body.fields]
            hashed.update(orjson.dumps(described, option=orjson.OPT_SORT_KEYS))
        return hashed.hexdigest()


class Recording:
    """Passes an answer on and keeps a copy. The headers wait for the first of the body: of a whole answer nothing is
    out before it is kept, so that where it cannot be kept an error can still be answered."""

    def __init__(
        self, idempotency: Idempotency, claim: Claimed, request: Request, send: Any, digest: Digest | None = None
    ) -> None:
        self._idempotency = idempotency
        self._digest = digest
        self._claim = claim
        self._request = request
        self._send = send
        self._status = 0
        self._headers: dict[str, str] = {}
        self._start: dict[str, Any] | None = None
        self._body = bytearray()
        self._settled = False

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            self._start = message
            return
        if len(self._body) <= MAX_KEPT_BYTES:
            self._body += message.get("body", b"")
        if _is_end(message):
            await self._settle()
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        await self._send(message)

    async def close(self) -> None:
        """For a request that ended without an answer."""
        if not self._settled:
            self._settled = True
            await self._idempotency.release(self._claim)

    async def _settle(self) -> None:
        """Keeps the answer, or frees the key, before the client sees the end and may ask again."""
        if self._settled:
            return
        if not self._worth_keeping():
            await self.close()
            return
        headers = {name: value for name, value in self._headers.items() if name not in DROPPED_HEADERS}
        answer = Replay(self._status, headers, bytes(self._body), self._digest.text if self._digest else None)
        await self._idempotency.complete(self._claim, answer)
        self._settled = True

    def _worth_keeping(self) -> bool:
        record = self._request.record
        done = record is not None and record.state == "completed"
        return done and self._status < 500 and self._status != 429


def _is_end(message: dict[str, Any]) -> bool:
    if message["type"] != "http.response.body":
        return False
    return not message.get("more_body") or type(message["body"]) is Last


def fingerprint(request: Request) -> str:
    """A digest of what is asked, without a body that only the handler reads: it is not here yet."""
    data = request.body.data if request.body is not None else None
    if isinstance(data, RawBody | StreamedForm):
        data = None
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS, default=_describe)
    return hashlib.sha256(b"\n".join((request.path.encode(), request.query, text))).hexdigest()


def _describe(value: object) -> object:
    if isinstance(value, Upload):
        digest = hashlib.file_digest(value.file, "sha256").hexdigest()  # type: ignore[arg-type]
        value.file.seek(0)
        return [value.filename, value.media_type, digest]
    raise TypeError(type(value).__name__)


async def _replay(replay: Replay, request: Request, send: Any) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in replay.headers.items()]
    headers += [
        (b"content-length", b"%d" % len(replay.body)),
        (b"idempotent-replayed", b"true"),
        (b"x-request-id", request.request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": replay.status, "headers": headers})
    await send({"type": "http.response.body", "body": replay.body})

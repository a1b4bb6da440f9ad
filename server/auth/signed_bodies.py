"""Bodies as S3's clients send them: named by their hash, or in chunks of their own framing (`aws-chunked`) that may be
signed one by one and be followed by headers. What comes out is the content itself.

Source: Amazon S3 API Reference, "Transferring Payload in Multiple Chunks (Chunked Upload)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from handlers.core.s3.faults import S3Fault
from server.auth import sigv4

Receive = Callable[[], Awaitable[Any]]

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
HEAD = re.compile(rb"([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?", re.ASCII)
FIELD = re.compile(rb"([A-Za-z0-9-]+):([\x20-\x7e]*)")
MAX_CHUNK_BYTES = 16 * 2**20
MAX_HEAD_BYTES = 256
MAX_TRAILER_BYTES = 8192
CHECKSUM = "x-amz-checksum-"
TRAILER_SIGNATURE = "x-amz-trailer-signature"


@dataclass(frozen=True, slots=True)
class Seed:
    """What the first chunk's signature goes on from."""

    key: bytes
    signing: sigv4.Signing
    signature: str


def read_body(receive: Receive, headers: MutableMapping[str, str], payload_hash: str, seed: Seed | None) -> Receive:
    """`receive` of the content. What follows it joins `headers` when the last of it is there. Raises `S3Fault`."""
    if payload_hash == UNSIGNED:
        return receive
    if HASH.fullmatch(payload_hash.lower()):
        return _hashed(receive, payload_hash.lower())
    if payload_hash == UNSIGNED_TRAILER:
        return _Unwrapping(receive, headers, None, has_trailer=True).receive
    if payload_hash in (SIGNED_CHUNKS, SIGNED_TRAILER) and seed is not None:
        return _Unwrapping(receive, headers, seed, has_trailer=payload_hash == SIGNED_TRAILER).receive
    raise S3Fault("InvalidArgument", "x-amz-content-sha256 is none that can be checked here")


def _hashed(receive: Receive, expected: str) -> Receive:
    hashed = hashlib.sha256()

    async def checked() -> Any:
        message = await receive()
        if message["type"] == "http.request":
            hashed.update(message.get("body", b""))
            if not message.get("more_body", False) and not hmac.compare_digest(hashed.hexdigest(), expected):
                raise S3Fault("XAmzContentSHA256Mismatch", "the body is not the one that x-amz-content-sha256 names")
        return message

    return checked


class _Unwrapping:
    """Takes the framing off. Content goes on in pieces of at most a chunk, signed ones only when they are checked."""

    def __init__(
        self, receive: Receive, headers: MutableMapping[str, str], seed: Seed | None, *, has_trailer: bool
    ) -> None:
        self._receive = receive
        self._headers = headers
        self._seed = seed
        self._previous = seed.signature if seed else ""
        self._has_trailer = has_trailer
        self._buffer = bytearray()
        self._is_ended = False
        self._size = 0
        self._contents = self._content()
        self._broken_off: Any = None

    async def receive(self) -> Any:
        piece = await anext(self._contents, None)
        if self._broken_off is not None:
            return self._broken_off
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def _content(self) -> AsyncIterator[bytes]:
        while True:
            head = HEAD.fullmatch(await self._line(MAX_HEAD_BYTES))
            if self._broken_off is not None:
                return
            if head is None or (self._seed is not None) != (head[2] is not None):
                raise _malformed()
            size = int(head[1], 16)
            if size == 0:
                self._check_chunk(head[2], hashlib.sha256())
                break
            async for piece in self._chunk(size, head[2]):
                self._size += len(piece)
                yield piece
        await self._end()

    async def _chunk(self, size: int, signature: bytes | None) -> AsyncIterator[bytes]:
        """Of a chunk that is not signed, pieces as they come."""
        if self._seed is not None:
            if size > MAX_CHUNK_BYTES:
                raise S3Fault("InvalidRequest", f"a signed chunk has {MAX_CHUNK_BYTES} bytes at most")
            await self._fill(size)
            if self._broken_off is not None:
                return
            piece = self._take(size)
            self._check_chunk(signature, hashlib.sha256(piece))
            yield piece
        else:
            while size and self._broken_off is None:
                await self._fill(1)
                piece = self._take(min(size, len(self._buffer)))
                size -= len(piece)
                if piece:
                    yield piece
        if self._broken_off is None and await self._line(2) != b"":
            raise _malformed()

    async def _end(self) -> None:
        trailer = await self._trailer()
        while not self._is_ended:
            await self._more()
        if self._broken_off is not None:
            return
        if self._buffer:
            raise _malformed()
        announced = self._headers.get("x-amz-decoded-content-length")
        if announced is not None and announced != str(self._size):
            raise S3Fault("IncompleteBody", "the body has not the length that was announced")
        signature = trailer.pop(TRAILER_SIGNATURE, None)
        if self._seed is not None and self._has_trailer:
            text = "".join(f"{name}:{value}\n" for name, value in trailer.items()).encode("latin-1")
            self._check(signature, sigv4.sign_trailer(self._seed.key, self._seed.signing, self._previous, text))
        self._check_announced(trailer)
        self._headers.update(trailer)

    def _check_announced(self, trailer: MutableMapping[str, str]) -> None:
        named = self._headers.get("x-amz-trailer", "").lower().split(",")
        if set(trailer) - {name.strip() for name in named if name.strip().startswith(CHECKSUM)}:
            raise S3Fault("InvalidRequest", "only checksums that x-amz-trailer names may follow the body")

    async def _trailer(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        size = 0
        while self._broken_off is None:
            line = await self._line(MAX_TRAILER_BYTES, may_end=True)
            size += len(line)
            if not line:
                break
            field = FIELD.fullmatch(line.rstrip(b"\n"))
            if not self._has_trailer or field is None or size > MAX_TRAILER_BYTES:
                raise _malformed()
            fields[field[1].decode().lower()] = field[2].decode().strip()
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
        return fields

    def _check_chunk(self, signature: bytes | None, hashed: Any) -> None:
        if self._seed is None:
            return
        expected = sigv4.sign_chunk(self._seed.key, self._seed.signing, self._previous, hashed.hexdigest())
        self._check(signature.decode() if signature else None, expected)
        self._previous = expected

    @staticmethod
    def _check(signature: str | None, expected: str) -> None:
        if signature is None or not hmac.compare_digest(signature.encode("latin-1"), expected.encode()):
            raise S3Fault("SignatureDoesNotMatch", "a part of the body does not fit its signature")

    async def _line(self, most: int, *, may_end: bool = False) -> bytes:
        """Up to CRLF, which goes too."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > most:
                raise _malformed()
            if self._is_ended:
                if may_end:
                    return self._take(len(self._buffer))
                raise S3Fault("IncompleteBody", "the body ends before its last chunk")
            await self._more()
            if self._broken_off is not None:
                return b""
        if end > most:
            raise _malformed()
        line = self._take(end)
        del self._buffer[:2]
        return line

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size and self._broken_off is None:
            if self._is_ended:
                raise S3Fault("IncompleteBody", "the body ends before its last chunk")
            await self._more()

    async def _more(self) -> None:
        message = await self._receive()
        if message["type"] != "http.request":
            self._broken_off, self._is_ended = message, True
            return
        self._buffer += message.get("body", b"")
        self._is_ended = not message.get("more_body", False)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _malformed() -> S3Fault:
    return S3Fault("InvalidRequest", "the body's chunks are malformed")

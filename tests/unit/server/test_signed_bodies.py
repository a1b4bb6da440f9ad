from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from handlers.core.s3 import S3Fault
from server.auth import sigv4
from server.auth.signed_bodies import SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED, UNSIGNED_TRAILER, Seed, read_body

SCOPE = sigv4.Scope("20130524", "us-east-1", "s3")
SIGNING = sigv4.Signing(SCOPE, "20130524T000000Z", ["host"])
SEED = Seed(sigv4.signing_key("secret", SCOPE), SIGNING, "0" * 64)
CHUNKS = [b"a" * 70_000, b"b" * 5, b""]
CRC = base64.b64encode(zlib.crc32(b"".join(CHUNKS)).to_bytes(4, "big")).decode()


def arriving(content: bytes, size: int) -> Callable[[], Any]:
    pieces = [content[start : start + size] for start in range(0, len(content), size)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    waiting = iter(messages)

    async def receive() -> Any:
        return next(waiting)

    return receive


def signed(chunks: Sequence[bytes], trailer: str = "") -> bytes:
    previous, body = SEED.signature, b""
    for chunk in chunks:
        previous = sigv4.sign_chunk(SEED.key, SIGNING, previous, hashlib.sha256(chunk).hexdigest())
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), previous.encode())
        body += chunk + b"\r\n" if chunk else b""
    if trailer:
        last = sigv4.sign_trailer(SEED.key, SIGNING, previous, f"{trailer}\n".encode())
        body += f"{trailer}\r\nx-amz-trailer-signature:{last}\r\n".encode()
    return body + b"\r\n"


def framed(chunks: Sequence[bytes], trailer: str) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunk else b"0\r\n" for chunk in chunks)
    return body + f"{trailer}\r\n\r\n".encode()


async def read(body: bytes, payload_hash: str, headers: dict[str, str], size: int = 1000) -> bytes:
    receive = read_body(arriving(body, size), headers, payload_hash, SEED)
    content = b""
    while True:
        message = await receive()
        content += message["body"]
        if not message["more_body"]:
            return content


@pytest.mark.parametrize("size", [1, 7, 65_536, 10**6])
async def test_chunks_are_taken_apart_wherever_they_are_cut(size: int) -> None:
    chunks = [b"abc", b"\r\n0\r\n", b""] if size == 1 else CHUNKS
    assert await read(signed(chunks), SIGNED_CHUNKS, {}, size) == b"".join(chunks)


@pytest.mark.parametrize("kind", [SIGNED_TRAILER, UNSIGNED_TRAILER])
async def test_a_checksum_behind_the_body_joins_the_headers(kind: str) -> None:
    trailer = f"x-amz-checksum-crc32:{CRC}"
    body = signed(CHUNKS, trailer) if kind == SIGNED_TRAILER else framed(CHUNKS, trailer)
    headers = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": "70005"}
    assert await read(body, kind, headers) == b"".join(CHUNKS)
    assert headers["x-amz-checksum-crc32"] == CRC


@pytest.mark.parametrize("place", [100, 69_000, 70_200, -80, -20])
async def test_any_change_on_the_way_is_noticed(place: int) -> None:
    body = bytearray(signed(CHUNKS, f"x-amz-checksum-crc32:{CRC}"))
    body[place] ^= 1
    with pytest.raises(S3Fault):
        await read(bytes(body), SIGNED_TRAILER, {"x-amz-trailer": "x-amz-checksum-crc32"})


@pytest.mark.parametrize(
    ("body", "kind", "headers"),
    [
        (signed(CHUNKS)[:-100], SIGNED_CHUNKS, {}),
        (signed(CHUNKS[:2]), SIGNED_CHUNKS, {}),
        (signed(CHUNKS), SIGNED_TRAILER, {"x-amz-trailer": "x-amz-checksum-crc32"}),
        (signed(CHUNKS) + b"more", SIGNED_CHUNKS, {}),
        (signed(CHUNKS), SIGNED_CHUNKS, {"x-amz-decoded-content-length": "70004"}),
        (framed(CHUNKS, "x-amz-checksum-crc32:AAAAAA=="), UNSIGNED_TRAILER, {}),
        (framed(CHUNKS, "authorization:x"), UNSIGNED_TRAILER, {"x-amz-trailer": "authorization"}),
        (framed(CHUNKS, "x"), SIGNED_CHUNKS, {}),
        (b"zz\r\n", UNSIGNED_TRAILER, {}),
        (b"", SIGNED_CHUNKS, {}),
        (b"0" * 5000, UNSIGNED_TRAILER, {}),
        (b"abc", "a kind of its own", {}),
        (b"abc", hashlib.sha256(b"abd").hexdigest(), {}),
    ],
)
async def test_what_does_not_fit_is_refused(body: bytes, kind: str, headers: dict[str, str]) -> None:
    with pytest.raises(S3Fault):
        await read(body, kind, headers)


async def test_a_whole_body_is_held_against_its_hash() -> None:
    assert await read(b"abc" * 999, hashlib.sha256(b"abc" * 999).hexdigest(), {}) == b"abc" * 999
    assert await read(b"abc", UNSIGNED, {}) == b"abc"


async def test_a_client_that_hangs_up_is_told_on() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    for kind in (SIGNED_CHUNKS, UNSIGNED_TRAILER, "0" * 64):
        assert (await read_body(receive, {}, kind, SEED)())["type"] == "http.disconnect"

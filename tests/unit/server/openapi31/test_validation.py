from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from codegen.operation import Operation, Payload, Response
from handlers.core.errors import CoreError, Invalid, TimedOut, TooLarge, UnsupportedMedia
from handlers.wire.upload import RawBody, Upload
from server.openapi31.bodies import Disconnected
from server.openapi31.validation import Limits, RequestValidator, ResponseValidator
from tests.unit.server.openapi31.documents import (
    FORM,
    JSON_SHAPE,
    OCTETS,
    Wire,
    collect,
    document,
    pointer,
    request,
    taking,
)

LIMITS = Limits(json_bytes=1000, upload_bytes=5000)
JSON = {"content-type": "application/json"}


async def body_of(operation: Operation, wire: Wire, headers: dict[str, str] | None = None) -> Any:
    asked = request(headers=headers)
    try:
        await RequestValidator(document(operation), operation, LIMITS).validate(asked, wire.receive)
        for upload in asked.uploads:
            assert upload.file.read() == b"hello"
        return asked.body
    finally:
        asked.close()


async def test_json_body_in_pieces() -> None:
    body = await body_of(taking(JSON_SHAPE), Wire([b'{"kind":', b'"circle"}']), JSON)
    assert body.data == {"kind": "circle"}


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/vnd.x+json", ""])
async def test_json_body_by_other_names(media_type: str) -> None:
    headers = {"content-type": media_type} if media_type else {}
    assert (await body_of(taking(JSON_SHAPE), Wire([b'{"kind":"circle"}']), headers)).data == {"kind": "circle"}


@pytest.mark.parametrize("text", [b"{", b'{"kind": NaN}', b"\xff", b'{"kind":"circle"} x', b"[" * 2000])
async def test_malformed_json(text: bytes) -> None:
    with pytest.raises(CoreError) as error:
        await body_of(taking(JSON_SHAPE), Wire([text]), JSON)
    assert error.value.status in (400, 413)


async def test_const_in_a_union_decides() -> None:
    with pytest.raises(Invalid):
        await body_of(taking(JSON_SHAPE), Wire([b'{"kind":"square"}']), JSON)


async def test_fault_names_its_place() -> None:
    with pytest.raises(Invalid) as error:
        await body_of(taking(JSON_SHAPE), Wire([b"[]"]), JSON)
    assert error.value.errors[0]["loc"] == ["body"]


@pytest.mark.parametrize(("depth", "fits"), [(100, True), (200, False), (1000, False)])
async def test_nesting_is_bounded(depth: int, fits: bool) -> None:
    text = b'{"kind":"circle","more":' + b"[" * depth + b"]" * depth + b"}"
    asked = request(headers=JSON)
    operation = taking(JSON_SHAPE)
    check = RequestValidator(document(operation), operation, Limits(10_000, 10_000)).validate(
        asked, Wire([text]).receive
    )
    if fits:
        await check
        assert orjson.dumps([[asked.body.data]])
    else:
        with pytest.raises(Invalid, match="deeper than 128"):
            await check


async def test_of_a_large_body_only_the_first_fault_is_told() -> None:
    operation = taking(Payload("application/json", pointer("Filters")))
    validator = RequestValidator(document(operation), operation, Limits(10_000_000, 0))

    async def faults(count: int) -> int:
        with pytest.raises(Invalid) as error:
            await validator.validate(request(headers=JSON), Wire([orjson.dumps([{}] * count)]).receive)
        return len(error.value.errors)

    assert await faults(5) == 5
    assert await faults(50_000) == 1


@pytest.mark.parametrize("payload", [JSON_SHAPE, FORM])
async def test_packed_body_is_refused_by_name(payload: Payload) -> None:
    headers = {"content-type": f"{payload.media_type}; boundary=xyz", "content-encoding": "gzip"}
    with pytest.raises(UnsupportedMedia, match="gzip"):
        await body_of(taking(payload), Wire([b"\x1f\x8b"]), headers)


async def test_body_that_is_too_large() -> None:
    with pytest.raises(TooLarge):
        await body_of(taking(JSON_SHAPE), Wire([b" " * 600, b" " * 600, b" " * 600]), JSON)


async def test_absent_body() -> None:
    with pytest.raises(Invalid, match="required"):
        await body_of(taking(JSON_SHAPE), Wire([b""]), JSON)
    assert (await body_of(taking(JSON_SHAPE, required=False), Wire([b""]), JSON)).data is None


async def test_body_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="application/json"):
        await body_of(taking(JSON_SHAPE), Wire([b"kind=circle"]), {"content-type": "application/x-www-form-urlencoded"})


async def test_octets_are_passed_on_and_limited() -> None:
    headers = {"content-type": "application/octet-stream"}
    body = await body_of(taking(OCTETS), Wire([b"a" * 3000, b"b"]), headers)
    assert isinstance(body.data, RawBody)
    assert await collect(body.data.chunks) == b"a" * 3000 + b"b"
    body = await body_of(taking(OCTETS), Wire([b"a" * 3000, b"b" * 3000]), headers)
    with pytest.raises(TooLarge):
        await collect(body.data.chunks)
    with pytest.raises(TooLarge):
        await body_of(taking(OCTETS), Wire([]), {**headers, "content-length": "5001"})


async def test_client_that_hangs_up() -> None:
    with pytest.raises(Disconnected):
        await body_of(taking(JSON_SHAPE), Wire([b"{"], hangs_up=True), JSON)


BOUNDARY = {"content-type": "multipart/form-data; boundary=xyz"}


def form(**fields: str) -> bytes:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    return "".join(parts).encode()


FILE = (
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n"
)


async def test_multipart_form() -> None:
    text = form(purpose="batch", priority="3", **{"expires_after[seconds]": "60"}) + FILE + b"--xyz--\r\n"
    data = (await body_of(taking(FORM), Wire([text[:50], text[50:]]), BOUNDARY)).data
    upload = data["file"]
    assert isinstance(upload, Upload)
    assert (upload.filename, upload.media_type, upload.size_bytes) == (
        "a.txt",
        "text/plain",
        5,
    )
    assert (data["purpose"], data["priority"], data["expires_after"]) == ("batch", 3, {"seconds": "60"})


async def test_fields_of_one_name_in_several_spellings() -> None:
    text = form(purpose="batch", tag="a", **{"tag[]": "b", "x[k]": "1"}) + form(**{"x[]": "2"}) + FILE + b"--xyz--\r\n"
    data = (await body_of(taking(FORM), Wire([text]), BOUNDARY)).data
    assert (data["tag"], data["x"]) == (["a", "b"], [{"k": "1"}, "2"])


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        (form(purpose="batch", expires_after="{1, 2}") + FILE + b"--xyz--\r\n", BOUNDARY),
        (form(purpose="batch", expires_after="{'seconds': '\\ud800'}") + FILE + b"--xyz--\r\n", BOUNDARY),
        (form(purpose="batch", priority="9" * 30) + FILE + b"--xyz--\r\n", BOUNDARY),
        (form(purpose="nonsense") + FILE + b"--xyz--\r\n", BOUNDARY),
        (form(purpose="batch") + b"--xyz--\r\n", BOUNDARY),
        (form(purpose="batch", priority="high") + FILE + b"--xyz--\r\n", BOUNDARY),
        (b"garbage", BOUNDARY),
        (FILE, {"content-type": "multipart/form-data"}),
    ],
)
async def test_wrong_multipart_form(text: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        await body_of(taking(FORM), Wire([text]), headers)


async def test_one_operation_takes_several_kinds() -> None:
    both = taking(OCTETS, FORM)
    text = form(purpose="batch") + FILE + b"--xyz--\r\n"
    assert (await body_of(both, Wire([text]), BOUNDARY)).data["purpose"] == "batch"
    assert isinstance((await body_of(both, Wire([b"x"]), {"content-type": "application/octet-stream"})).data, RawBody)


def test_response_is_held_against_the_document() -> None:
    operation = Operation("x", "GET", "/x", "h", "X", responses=(Response("200", (JSON_SHAPE,)), Response("4XX")))
    judge = ResponseValidator(document(operation))
    assert judge.fault(operation, 200, "application/json", {"kind": "circle"}) is None
    assert "kind" in (judge.fault(operation, 200, "application/json", {"kind": 1}) or "")
    assert judge.fault(operation, 404, "application/json", {}) is None
    assert judge.fault(operation, 201, "application/json", {}) is not None
    assert judge.fault(operation, 200, "text/plain", orjson.dumps({})) is not None


class Slow:
    """A client whose body comes later, or not at all: then it notes that nobody waits for it any more."""

    def __init__(self, *, comes: bool) -> None:
        self._comes = comes
        self.left = False

    async def receive(self) -> dict[str, Any]:
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if not self._comes:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.left = True
            raise
        return {"type": "http.request", "body": b'{"kind":"circle"}', "more_body": False}


async def read_slowly(client: Slow, idle_seconds: float) -> Any:
    operation, asked = taking(JSON_SHAPE), request(headers=JSON)
    limits = Limits(1000, 1000, idle_seconds)
    await RequestValidator(document(operation), operation, limits).validate(asked, client.receive)
    return asked.body


async def test_body_that_is_waited_for() -> None:
    assert (await read_slowly(Slow(comes=True), 20)).data == {"kind": "circle"}


async def test_body_that_never_comes_is_given_up() -> None:
    client = Slow(comes=False)
    with pytest.raises(TimedOut):
        await read_slowly(client, 0.01)
    assert client.left


async def test_request_that_is_cancelled_while_its_body_is_awaited() -> None:
    client = Slow(comes=False)
    task = asyncio.create_task(read_slowly(client, 20))
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.left

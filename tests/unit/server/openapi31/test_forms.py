"""A form whose file is read while it arrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from codegen.operation import Payload
from handlers.core.errors import CoreError, Invalid, TimedOut, TooLarge
from handlers.wire.upload import StreamedForm
from server.openapi31.bodies import Disconnected
from server.openapi31.forms import MAX_TEXT_BYTES, PIECE_BYTES
from server.openapi31.validation import Limits, RequestValidator
from tests.unit.server.openapi31.documents import Wire, collect, document, pointer, request, taking

STREAMED = Payload("multipart/form-data", pointer("StreamedForm"))
HEADERS = {"content-type": "multipart/form-data; boundary=xyz"}
FILE = 'form-data; name="file"; filename="a.txt"'


def part(disposition: str, content: bytes = b"hello", media_type: str = "") -> bytes:
    head = f"--xyz\r\nContent-Disposition: {disposition}\r\n"
    head += f"Content-Type: {media_type}\r\n" if media_type else ""
    return head.encode() + b"\r\n" + content + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'form-data; name="{name}"', value.encode())


END = b"--xyz--\r\n"
PURPOSE = field("purpose", "batch")


async def opened(*pieces: bytes, hangs_up: bool = False, limit: int = 10 * PIECE_BYTES) -> StreamedForm:
    operation = taking(STREAMED)
    asked = request(headers=HEADERS)
    validator = RequestValidator(document(operation), operation, Limits(1000, limit, 0.05))
    await validator.validate(asked, Wire(list(pieces), hangs_up=hangs_up).receive)
    form = asked.body.data
    assert isinstance(form, StreamedForm)
    return form


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
async def test_a_form_is_the_same_however_it_arrives(size: int) -> None:
    body = PURPOSE + part(FILE, b"--xyz\r\n-hel\r\nlo", "text/plain") + field("priority", "3") + END
    form = await opened(*(body[start : start + size] for start in range(0, len(body), size)))
    assert (form.filename, form.media_type) == ("a.txt", "text/plain")
    assert await collect(form.chunks) == b"--xyz\r\n-hel\r\nlo"
    assert form.fields == {"purpose": "batch", "priority": 3}


async def test_fields_behind_the_file_are_read_with_its_end() -> None:
    form = await opened(part(FILE), field("expires_after[seconds]", "60") + PURPOSE, END)
    assert form.fields == {}
    assert await collect(form.chunks) == b"hello"
    assert form.fields == {"purpose": "batch", "expires_after": {"seconds": "60"}}


async def test_a_large_file_comes_in_pieces_that_are_worth_a_thread() -> None:
    quarter = b"x" * (PIECE_BYTES // 4)
    form = await opened(PURPOSE + part(FILE, quarter)[:-2], *[quarter] * 9, b"\r\n" + END)
    sizes = [len(piece) async for piece in form.chunks]
    assert sum(sizes) == 10 * len(quarter)
    assert all(size >= PIECE_BYTES for size in sizes[:-1])


@pytest.mark.parametrize(
    "pieces",
    [
        (PURPOSE + END,),
        (part(FILE) + END,),
        (field("purpose", "nonsense") + part(FILE) + END,),
        (part(FILE), field("priority", "high") + PURPOSE + END),
        (PURPOSE + part(FILE) + part(FILE) + END,),
        (PURPOSE + part('form-data; name="other"; filename="b"') + part(FILE) + END,),
        (PURPOSE + part(FILE),),
        (PURPOSE + part(FILE)[:-3],),
        (PURPOSE, part("form-data") + END),
        (PURPOSE, part(FILE), part("attachment", b"") + END),
        (b"garbage",),
        (b"",),
        (part('form-data; name="purpose"', b"\xff") + part(FILE) + END,),
        (*[field(f"f{n}", "x") for n in range(1001)], part(FILE) + END),
        (field("purpose", "b" * (MAX_TEXT_BYTES + 1)) + part(FILE) + END,),
    ],
)
async def test_wrong_forms(pieces: Any) -> None:
    with pytest.raises(Invalid):
        await collect((await opened(*pieces)).chunks)


@pytest.mark.parametrize("boundary", ["", "boundary=", "boundary=" + "x" * 300])
async def test_boundaries_that_are_none(boundary: str) -> None:
    operation = taking(STREAMED)
    asked = request(headers={"content-type": f"multipart/form-data; {boundary}"})
    with pytest.raises(Invalid):
        await RequestValidator(document(operation), operation, Limits(1000, 1000)).validate(asked, Wire([b""]).receive)


@pytest.mark.parametrize(
    ("error", "hangs_up", "limit"),
    [(Disconnected, True, 10_000), (TooLarge, False, 300)],
    ids=["hangs up", "too large"],
)
async def test_what_breaks_off_says_why(error: type[Exception], hangs_up: bool, limit: int) -> None:
    form = await opened(PURPOSE + part(FILE)[:-2], b"x" * 400, hangs_up=hangs_up, limit=limit)
    with pytest.raises(error):
        await collect(form.chunks)


async def test_a_body_that_stops_coming_is_given_up() -> None:
    pieces = [PURPOSE + part(FILE)]

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.pop(), "more_body": True}

    operation = taking(STREAMED)
    asked = request(headers=HEADERS)
    await RequestValidator(document(operation), operation, Limits(1000, 1000, 0.05)).validate(asked, receive)
    with pytest.raises(TimedOut) as caught:
        await collect(asked.body.data.chunks)
    assert isinstance(caught.value, CoreError)
    assert caught.value.headers == {"Connection": "close"}

"""Which answer is chosen, and what is in it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from codegen.operation import Operation, Payload, Response
from handlers.core.errors import NotFound, NotImplementedYet
from server.mock.answers import Answer, Answers, Wish
from server.mock.preferences import Preferences
from server.openapi31.specification import Document

JSON, XML, EVENTS = "application/json", "application/xml", "text/event-stream"
NUMBER = {"schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}}
TEXT = {"schema": {"type": "string"}}


def answer(responses: dict[str, Any], *, seed: int = 1, **wish: Any) -> Answer:
    """Of an operation with these responses; `code`, `example` and `dynamic` are preferences."""
    preferences = Preferences(**{name: wish.pop(name) for name in ("code", "example", "dynamic") if name in wish})
    rows = tuple(
        Response(status, tuple(Payload(kind, pointer(status, kind)) for kind in said.get("content", {})))
        for status, said in responses.items()
    )
    operation = Operation("read", "GET", "/a", "handlers.x.y", "Y", responses=rows)
    document = Document({"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": responses}}}}, (operation,))
    return Answers(document, seed).answer(operation, Wish(preferences, **wish))


def pointer(status: str, kind: str) -> str:
    return f"#/paths/~1a/get/responses/{status}/content/{kind.replace('/', '~1')}/schema"


@pytest.mark.parametrize(
    ("statuses", "code", "expected"),
    [
        (["400", "201", "200"], None, 200),
        (["404", "2XX"], None, 200),
        (["500", "default"], None, 200),
        (["404", "302"], None, 302),
        (["404"], None, 404),
        (["200", "4XX"], "418", 418),
        (["200", "default"], "500", 500),
        (["200", "404"], "404", 404),
    ],
)
def test_status(statuses: list[str], code: str | None, expected: int) -> None:
    assert answer({status: {} for status in statuses}, code=code).status == expected


def test_status_that_is_not_documented_is_not_found() -> None:
    with pytest.raises(NotFound, match="no status 418, only: 200, 404"):
        answer({"200": {}, "404": {}}, code="418")
    with pytest.raises(NotImplementedYet, match="documents no answer"):
        answer({})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/xml", XML),
        ("application/xml;q=0.5, application/json;q=0.4", XML),
        ("application/*;q=0.2, text/event-stream", EVENTS),
        ("application/json;q=0, */*", XML),
        ("image/png", JSON),
    ],
)
def test_media_type(accept: str, expected: str) -> None:
    said = {"content": {EVENTS: NUMBER, XML: {**TEXT, "example": "<a/>"}, JSON: NUMBER}}
    assert answer({"200": said}, accept=accept).media_type == expected


def test_bytes_go_before_a_text_of_json_and_json_before_text() -> None:
    binary = {"schema": {"type": "string", "format": "binary"}}
    assert answer({"200": {"content": {JSON: TEXT, "*/*": binary}}}).media_type == "application/octet-stream"
    assert answer({"200": {"content": {XML: TEXT, JSON: TEXT}}}).media_type == JSON


def test_request_that_asks_for_a_stream_gets_one() -> None:
    said = {"content": {JSON: NUMBER, EVENTS: NUMBER}}
    given = answer({"200": said}, streamed=True, accept=JSON)
    assert given.is_stream
    assert len(given.frames) == 3
    assert all(orjson.loads(frame.removeprefix(b"data: "))["n"] >= 0 for frame in given.frames)


def test_transcript_is_filled_in() -> None:
    node = {**NUMBER, "x-transcript": [{"say": "a"}, {"n": 7, "list": [{}, 1], "none": []}, "[DONE]"]}
    *events, end = answer({"200": {"content": {EVENTS: node}}}).frames
    first, second = (orjson.loads(event.removeprefix(b"data: ")) for event in events)
    assert (first["say"], isinstance(first["n"], int)) == ("a", True)
    assert second == {"n": 7, "list": [{}, 1], "none": []}
    assert end == b"data: [DONE]\n\n"


def test_examples() -> None:
    examples = {"wrong": {"value": {}}, "few": {"value": {"n": 1}}, "many": {"value": {"n": 9}}}
    said = {"200": {"content": {JSON: {**NUMBER, "examples": examples}}}}
    assert answer(said).frames == (b'{"n":1}',)
    assert answer(said, example="many").frames == (b'{"n":9}',)
    assert answer(said, example="wrong").frames == (b"{}",)
    assert answer(said, dynamic=True).frames != (b'{"n":1}',)
    with pytest.raises(NotFound, match="there are: wrong, few, many"):
        answer(said, example="absent")
    assert answer({"200": {"content": {JSON: {**NUMBER, "example": {"n": 4}}}}}).frames == (b'{"n":4}',)


def test_dynamic_answers_differ_by_address() -> None:
    said = {"200": {"content": {JSON: NUMBER}}}
    made = {answer(said, dynamic=True, address=f"/a/{number}").frames for number in range(9)}
    assert len(made) > 3
    assert answer(said, dynamic=True, address="/a/1") == answer(said, dynamic=True, address="/a/1")


def test_answers_without_a_body() -> None:
    for responses in ({"204": {"content": {JSON: NUMBER}}}, {"200": {}}):
        given = answer(responses)
        assert (given.media_type, given.frames) == (None, ())


def test_documented_headers_are_given() -> None:
    headers = {
        "Retry-After": {"schema": {"type": "integer", "minimum": 5, "maximum": 5}},
        "ETag": {"schema": {"type": "string"}, "example": '"1"'},
        "Content-Type": {"schema": {"type": "string"}},
    }
    assert answer({"200": {"headers": headers}}).headers == {"Retry-After": "5", "ETag": '"1"'}


@pytest.mark.parametrize("node", [{"schema": False}, {"schema": {"type": "string", "pattern": "(?P<x>a)(?P=y)"}}])
def test_what_cannot_be_made_is_not_implemented(node: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedYet, match="no answer can be made for read, 200: "):
        answer({"200": {"content": {JSON: node}}})
    with pytest.raises(NotImplementedYet, match="application/xml cannot be made from a schema"):
        answer({"200": {"content": {XML: NUMBER}}})


@pytest.mark.parametrize(
    ("media_type", "start"),
    [
        ("audio/wav", b"RIFF"), ("image/png", b"\x89PNG"), ("text/vtt", b"WEBVTT"), ("application/xml", b"<?xml"),
        ("application/x-ndjson", b'{"text"'), ("text/csv", b"number,"), ("text/html", b"<!DOCTYPE"),
    ],
)  # fmt: skip
def test_bodies_of_a_type_look_like_it(media_type: str, start: bytes) -> None:
    assert b"".join(answer({"200": {"content": {media_type: TEXT}}}).frames).startswith(start)

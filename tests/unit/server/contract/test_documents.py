"""Answers held against a document, and what explains why they depart from the one that was received."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from codegen.normalise import normalise
from codegen.overlay import trace_overlay
from server.contract.deviations import NORMALISED, Deviations, Yardsticks, covers
from server.contract.documents import Answer, Judge

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/things/{id}": {
            "put": {
                "operationId": "things_put",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                        "headers": {"X-Version": {"required": True, "schema": {"type": "string"}}},
                    },
                    "404": {"$ref": "#/components/responses/Missing"},
                },
            }
        }
    },
    "components": {
        "responses": {"Missing": {"content": {"application/json": {"schema": {"type": "string"}}}}},
        "schemas": {
            "Thing": {
                "type": "object",
                "properties": {"size": {"type": "integer"}, "part": {"$ref": "#/components/schemas/Part"}},
                "additionalProperties": False,
            },
            "Part": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
            "Word": {"type": "string"},
        },
    },
}
OVERLAY: dict[str, Any] = {
    "overlay": "1.0.0",
    "actions": [
        {
            "target": "$.paths[*].put",
            "description": "Too many is 429.",
            "update": {"responses": {"429": {"description": "Slow."}, "4XX": {"description": "No."}}},
        },
        {
            "target": "$.components.schemas.Thing.properties",
            "description": "Things have colours.",
            "update": {"colour": {"type": "string"}},
        },
        {
            "target": "$.components.schemas.Thing.properties.size",
            "description": "Sizes may be unknown.",
            "update": {"type": ["integer", "null"]},
        },
        {"target": "$.components.schemas.Word", "description": "Nobody uses it.", "update": {"minLength": 1}},
        {
            "target": "$.paths",
            "description": "Things are listed.",
            "update": {"/things": {"get": {"operationId": "things_list", "responses": {"200": {"description": "x"}}}}},
        },
    ],
}


def answer(status: int = 200, body: Any = None, **more: Any) -> Answer:
    headers = {"content-type": "application/json; charset=utf-8", "x-version": "1", **more.pop("headers", {})}
    content = body if isinstance(body, bytes) else orjson.dumps({} if body is None else body)
    return Answer(more.pop("method", "PUT"), more.pop("path", "/things/{id}"), status, headers, content, **more)


def kinds(found: Answer) -> list[str]:
    return [departure.kind for departure in Judge(DOCUMENT).judge(found)]


def test_what_a_document_allows_does_not_depart() -> None:
    assert kinds(answer(200, {"size": 1})) == []
    assert kinds(answer(404, "not here")) == []
    assert kinds(answer(404, b"")) == []
    assert kinds(answer(200, {"size": 1}, sent={"size": 2})) == []


@pytest.mark.parametrize(
    ("found", "kind", "pointer"),
    [
        (answer(method="GET"), "operation", "#/paths/~1things~1{id}/get"),
        (answer(path="/other"), "operation", "#/paths/~1other/put"),
        (answer(500), "status", "#/paths/~1things~1{id}/put/responses/500"),
        (answer(404, 7), "body", "#/components/responses/Missing/content/application~1json/schema/type"),
        (answer(200, {"size": "x"}), "body", "#/components/schemas/Thing/properties/size/type"),
        (answer(200, {"more": 1}), "body", "#/components/schemas/Thing/properties/more"),
        (answer(200, {"part": 1}), "body", "#/components/schemas/Part/oneOf"),
        (answer(200, {"part": 1}), "body", "#/components/schemas/Thing/properties/part/$ref"),
        (answer(200, b"{"), "body", "#/paths/~1things~1{id}/put/responses/200/content/application~1json/schema"),
        (
            answer(headers={"content-type": "text/plain"}), "media type",
            "#/paths/~1things~1{id}/put/responses/200/content",
        ),
        (answer(sent={"size": "x"}), "request", "#/components/schemas/Thing/properties/size/type"),
    ],
)  # fmt: skip
def test_what_departs_is_told_with_its_place(found: Answer, kind: str, pointer: str) -> None:
    (departure,) = Judge(DOCUMENT).judge(found)
    assert departure.kind == kind
    assert pointer in departure.pointers


def test_a_header_that_is_missing_departs() -> None:
    found = Answer("PUT", "/things/{id}", 200, {"content-type": "application/json"}, b"{}")
    (departure,) = Judge(DOCUMENT).judge(found)
    assert (departure.kind, departure.says) == ("header", "the header X-Version is missing")


def test_a_schema_that_leads_nowhere_is_told() -> None:
    broken = orjson.loads(orjson.dumps(DOCUMENT).replace(b"schemas/Part", b"schemas/Gone"))
    (departure,) = Judge(broken).judge(answer(200, {}))
    assert "cannot be read" in departure.says


def test_a_request_that_was_refused_is_nobodys_fault() -> None:
    assert kinds(answer(404, "no", sent={"size": "x"})) == []


def yardsticks() -> Yardsticks:
    overlaid, touched = trace_overlay(DOCUMENT, OVERLAY)
    served, _ = normalise("things", overlaid)
    return Yardsticks(served, DOCUMENT, overlaid, touched)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (answer(429, b""), "Too many is 429."),
        (answer(418, b""), "Too many is 429."),
        (answer(200, {"colour": "red"}), "Things have colours."),
        (answer(200, {"size": None}), "Sizes may be unknown."),
        (answer(200, sent={"size": None}), "Sizes may be unknown."),
        (answer(200, {"part": 1}), NORMALISED),
        (answer(200, b"", method="GET", path="/things"), "Things are listed."),
    ],
)
def test_a_deviation_has_the_overlays_reason(found: Answer, reason: str) -> None:
    departures, deviations = yardsticks().judge(found, "things_put")
    assert departures == []
    assert [why.says for one in deviations for why in one.reasons] == [reason]


def test_a_deviation_that_nothing_explains_is_left_over() -> None:
    overlaid, touched = trace_overlay(DOCUMENT, OVERLAY)
    served, _ = normalise("things", overlaid)
    served["components"]["schemas"]["Part"] = overlaid["components"]["schemas"]["Part"] = {"type": "string"}
    found = Deviations()
    departures, deviations = Yardsticks(served, DOCUMENT, overlaid, touched).judge(answer(200, {"part": "x"}), "put")
    assert departures == []
    for _ in range(2):
        found.add(deviations)
    assert [one.departure.kind for one in found.unexplained()] == ["body"]
    assert [one.count for one in found.unexplained()] == [2]
    assert found.known() == []


def test_an_action_covers_what_it_changed_above_and_below() -> None:
    assert covers({"#/a/b"}, "#/a/b")
    assert covers({"#/a/b"}, "#/a/b/c")
    assert covers({"#/a/b/c"}, "#/a/b")
    assert not covers({"#/a/b"}, "#/a/bc")
    assert not covers({"#/a/bc"}, "#/a/b")


def test_an_overlay_tells_what_it_touched() -> None:
    _, touched = trace_overlay(DOCUMENT, OVERLAY)
    assert touched[1].pointers == {"#/components/schemas/Thing/properties/colour"}
    assert touched[0].pointers == {f"#/paths/~1things~1{{id}}/put/responses/{status}" for status in ("429", "4XX")}
    remove = {"target": "$.components.schemas.Word.type", "description": "x", "remove": True}
    grow = {"target": "$.components.schemas.Part.oneOf", "description": "x", "update": {}}
    _, touched = trace_overlay(DOCUMENT, {"overlay": "1.0.0", "actions": [remove, grow]})
    assert [one.pointers for one in touched] == [
        {"#/components/schemas/Word/type"},
        {"#/components/schemas/Part/oneOf/2"},
    ]

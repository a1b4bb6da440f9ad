from __future__ import annotations

from typing import Any

import pytest

from handlers.core.errors import Invalid
from server.openapi31.specification import Document
from server.openapi31.wholes import Place, places_of

WHOLE, NUMBER, TEXT = {"type": "integer"}, {"type": "number"}, {"type": "string"}


def place_of(schema: dict[str, Any]) -> Place | None:
    return places_of(Document({"components": {"schemas": {"X": schema}}}, ()), "#/components/schemas/X")


def settled(schema: dict[str, Any], value: Any) -> str:
    """As `repr`, because 1.0 equals 1."""
    place = place_of(schema)
    assert place is not None
    return repr(place.settle(value))


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"properties": {"n": WHOLE, "t": NUMBER}}, {"n": 1.0, "t": 1.0, "x": 1.0}, {"n": 1, "t": 1.0, "x": 1.0}),
        ({"properties": {"n": {"type": ["integer", "null"]}}}, {"n": None}, {"n": None}),
        ({"properties": {"n": {"anyOf": [WHOLE, {"type": "null"}]}}}, {"n": 2.0}, {"n": 2}),
        ({"items": {"properties": {"n": WHOLE}}}, [{"n": 3.0}, {}, {"n": True}], [{"n": 3}, {}, {"n": True}]),
        ({"items": WHOLE}, [1.0, 2], [1, 2]),
        (
            {"additionalProperties": WHOLE, "properties": {"t": NUMBER}},
            {"a": 1.0, "t": 1.0},
            {"a": 1, "t": 1.0},
        ),
        ({"allOf": [{"properties": {"n": WHOLE}}, {"properties": {"t": TEXT}}]}, {"n": -4.0}, {"n": -4}),
        ({"oneOf": [{"properties": {"n": WHOLE}}, {"properties": {"m": WHOLE}}]}, {"m": 5.0}, {"m": 5}),
    ],
)
def test_integers_are_whole_wherever_the_schema_has_them(schema: dict[str, Any], value: Any, expected: Any) -> None:
    assert settled(schema, value) == repr(expected)


def test_what_may_be_a_number_too_stays_as_it_was_sent() -> None:
    either = {"oneOf": [{"properties": {"n": WHOLE}}, {"properties": {"n": NUMBER, "m": WHOLE}}]}
    assert settled(either, {"n": 1.0, "m": 1.0}) == repr({"n": 1.0, "m": 1})


def test_a_schema_that_refers_to_itself() -> None:
    tree = {"properties": {"size": WHOLE, "children": {"items": {"$ref": "#/components/schemas/X"}}}}
    assert settled(tree, {"children": [{"size": 1.0, "children": []}]}) == repr(
        {"children": [{"size": 1, "children": []}]}
    )


def test_a_schema_without_integers_has_no_places() -> None:
    assert place_of({"properties": {"t": NUMBER, "again": {"$ref": "#/components/schemas/X"}}}) is None


def test_beyond_64_bits_it_is_refused() -> None:
    place = place_of({"properties": {"n": WHOLE}})
    assert place is not None
    with pytest.raises(Invalid, match="64 bits"):
        place.settle({"n": 1e300})

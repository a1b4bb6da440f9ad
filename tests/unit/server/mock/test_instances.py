"""Values made up for schemas of every keyword."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest

from server.mock.conjunction import Impossible
from server.mock.instances import Maker, Manner
from server.openapi31.specification import Document

SCHEMAS: dict[str, Any] = {
    "anything": True,
    "empty": {},
    "text of a length": {"type": "string", "minLength": 40, "maxLength": 41},
    "pattern": {"type": "string", "pattern": r"^[A-Z]{3}-\d{2,4}(?:\.(a|b))?$"},
    "long pattern": {"type": "string", "pattern": "^[a-f0-9]+$", "minLength": 32, "maxLength": 64},
    "pattern with a look ahead": {"type": "string", "pattern": r"^(?=.*\d)[a-z0-9]{6}$"},
    "named group": {"type": "string", "pattern": r"^(?<year>\d{4})-\d\d$"},
    "negated set": {"type": "string", "pattern": "^[^a-z]+$"},
    "whole number": {"type": "integer", "minimum": -3, "maximum": -3},
    "above": {"type": "integer", "exclusiveMinimum": 7, "exclusiveMaximum": 9},
    "narrow": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.001},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 50},
    "fraction": {"type": "number", "multipleOf": 0.25, "minimum": 1, "maximum": 2},
    "whole multiple of a fraction": {"type": "integer", "multipleOf": 1.5, "minimum": 1},
    "at most": {"type": "number", "maximum": -1000},
    "types": {"type": ["null", "integer"]},
    "enum of one type": {"type": "integer", "enum": ["a", 3, None]},
    "const": {"const": {"a": [1]}},
    "list": {"type": "array", "items": {"type": "string"}, "minItems": 5, "maxItems": 6},
    "unique": {"type": "array", "items": {"enum": [1, 2, 3, 4]}, "minItems": 4, "uniqueItems": True},
    "places": {"type": "array", "prefixItems": [{"const": 1}, {"type": "boolean"}], "items": False, "minItems": 2},
    "contains": {"type": "array", "items": {"type": "integer"}, "contains": {"const": 9}},
    "object": {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer"}}},
    "closed": {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    "few": {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
    "names": {"type": "object", "propertyNames": {"pattern": "^x_[a-z]{3}$"}, "minProperties": 2},
    "patterned": {
        "type": "object", "patternProperties": {"^n_\\d$": {"type": "null"}}, "additionalProperties": False,
        "minProperties": 2,
    },
    "all of": {
        "allOf": [
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 5}}},
            {"properties": {"a": {"maximum": 5}, "b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    "all of numbers": {"allOf": [{"type": "number"}, {"type": "integer", "minimum": 3}, {"maximum": 3}]},
    "one of": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
    "one of the closed": {
        "type": "object", "required": ["event"],
        "anyOf": [
            {"properties": {"name": {}}, "additionalProperties": False, "required": ["name"]},
            {"properties": {"event": {"type": "string"}}, "additionalProperties": False},
        ],
    },
    "several unions": {
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "oneOf": [{"required": ["b"]}, {"required": ["c"]}],
        "type": "object",
    },
    "not": {"type": "string", "not": {"enum": ["", "x"]}},
    "if": {
        "type": "object", "required": ["kind", "size"], "properties": {"kind": {"enum": ["a", "b"]}},
        "if": {"properties": {"kind": {"const": "a"}}}, "then": {"properties": {"size": {"type": "integer"}}},
        "else": {"properties": {"size": {"type": "string"}}},
    },
    "dependent": {
        "type": "object", "required": ["card"], "properties": {"card": {"type": "integer"}},
        "dependentRequired": {"card": ["address"]},
        "dependentSchemas": {"card": {"properties": {"address": {"type": "string"}}}},
    },
    "unevaluated": {
        "allOf": [{"type": "object", "properties": {"a": {}}}], "properties": {"b": {}}, "unevaluatedProperties": False,
    },
    "tree": {"$ref": "#/components/schemas/Tree"},
    "chain": {"$ref": "#/components/schemas/Chain"},
    "false default": {"type": "integer", "default": "none"},
    "wrong example": {"type": "object", "required": ["a"], "properties": {"a": {}}, "examples": [{}]},
}  # fmt: skip
COMPONENTS = {
    "Tree": {
        "type": "object",
        "required": ["name", "children"],
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
            "parent": {"$ref": "#/components/schemas/Tree"},
        },
    },
    "Chain": {
        "type": "object",
        "required": ["next"],
        "properties": {"next": {"anyOf": [{"$ref": "#/components/schemas/Chain"}, {"type": "null"}]}},
    },
    "Endless": {
        "type": "object",
        "required": ["next"],
        "properties": {"next": {"$ref": "#/components/schemas/Endless"}},
    },
}


def maker() -> Maker:
    return Maker(Document({"openapi": "3.1.0", "paths": {}, "components": {"schemas": COMPONENTS}}, ()))


def make(schema: Any, seed: int = 1, **manner: bool) -> Any:
    return maker().make(schema, str(seed), Manner(**manner))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", SCHEMAS)
def test_value_is_valid(name: str, seed: int) -> None:
    whole = {**SCHEMAS[name], "components": {"schemas": COMPONENTS}} if isinstance(SCHEMAS[name], dict) else True
    for manner in ({}, {"by_example": False, "varied": True}, {"full": False}):
        jsonschema_rs.Draft202012Validator(whole).validate(make(SCHEMAS[name], seed, **manner))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"$ref": "#/components/schemas/Endless"},
        {"type": "string", "pattern": "("},
        {"type": "string", "pattern": 7},
    ],
)
def test_what_cannot_be_made_says_why(schema: Any) -> None:
    with pytest.raises(Impossible, match=r"\w+ \w+"):
        make(schema)


def test_examples_of_the_document_come_first() -> None:
    assert make({"type": "string", "examples": ["shown", "other"], "default": "usual"}) == "shown"
    assert make({"type": "string", "example": "shown"}) == "shown"
    assert make({"type": "string", "default": "usual"}) == "usual"
    assert make({"type": "object", "properties": {"a": {"type": "integer", "default": 4}}}) == {"a": 4}
    assert make({"type": "string", "default": "usual"}, by_example=False) != "usual"


def test_formats_are_kept() -> None:
    datetime.fromisoformat(make({"type": "string", "format": "date-time"}))
    date.fromisoformat(make({"type": "string", "format": "date"}))
    UUID(make({"type": "string", "format": "uuid"}))
    assert "@" in make({"type": "string", "format": "email"})
    assert make({"type": "string", "format": "uri"}).startswith("https://example.com/")


def test_what_is_for_requests_only_is_left_out() -> None:
    properties = {"name": {"type": "string"}, "password": {"type": "string", "writeOnly": True}}
    assert set(make({"type": "object", "properties": properties})) == {"name"}


def test_dice_decide() -> None:
    assert make({"type": "string"}, 1) == make({"type": "string"}, 1)
    assert len({make({"type": "string"}, seed) for seed in range(10)}) > 5

"""The simulator's values are held against `jsonschema`, a validator that is not the one the generator uses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from providers.inference.simulator.instance import Unsatisfiable, make_instance

NODE: dict[str, Any] = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"],
    "additionalProperties": False,
}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}, "minItems": 0}},
    "required": ["name", "children"],
}
EXPRESSION: dict[str, Any] = {
    "$ref": "#/$defs/expression",
    "$defs": {
        "expression": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "op": {"enum": ["+", "-"]},
                        "left": {"$ref": "#/$defs/expression"},
                        "right": {"$ref": "#/$defs/expression"},
                    },
                    "required": ["op", "left", "right"],
                    "additionalProperties": False,
                },
                {"type": "number"},
            ]
        }
    },
}

SCHEMAS: dict[str, Any] = {
    "anything": True,
    "empty": {},
    "string": {"type": "string"},
    "short": {"type": "string", "maxLength": 3},
    "long": {"type": "string", "minLength": 500, "maxLength": 501},
    "no text": {"type": "string", "maxLength": 0},
    "integer": {"type": "integer"},
    "bounded integer": {"type": "integer", "minimum": 7, "maximum": 7},
    "exclusive": {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    "negative": {"type": "number", "maximum": -5.5},
    "between": {"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 50},
    "fraction": {"type": "number", "multipleOf": 0.25, "minimum": 0.3, "maximum": 0.6},
    "whole multiple of a fraction": {"type": "integer", "multipleOf": 1.5, "minimum": 1},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "several types": {"type": ["string", "null"]},
    "enum": {"enum": ["a", 1, None, {"b": []}]},
    "enum and type": {"type": "integer", "enum": ["a", 1]},
    "const": {"const": {"a": [1]}},
    "object": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]},
    "required but unnamed": {"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}},
    "min properties": {"type": "object", "minProperties": 3, "additionalProperties": {"type": "boolean"}},
    "max properties": {
        "type": "object",
        "properties": {name: {"type": "null"} for name in "abcd"},
        "required": ["d"],
        "maxProperties": 1,
    },
    "pattern properties": {
        "type": "object",
        "patternProperties": {"^x-[a-z]{3}$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "property names": {"type": "object", "propertyNames": {"pattern": "^[A-Z]{4}$"}, "minProperties": 2},
    "dependent required": {
        "type": "object",
        "properties": {"card": {"type": "string"}, "address": {"type": "string"}},
        "required": ["card"],
        "dependentRequired": {"card": ["address"]},
    },
    "dependent schemas": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"const": 2}}}},
    },
    "array": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 5},
    "no items": {"type": "array", "maxItems": 0},
    "closed array": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    "unique": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    "contains": {"type": "array", "items": {"type": "integer"}, "contains": {"const": 42}, "minItems": 2},
    "lengths with a point": {"type": "array", "minItems": 2.0, "maxItems": 1e30, "items": {"maxLength": 3.0}},
    "min contains": {"type": "array", "contains": {"type": "string"}, "minContains": 2},
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a"]},
            {"properties": {"a": {"maximum": 6}, "b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    "any of": {"anyOf": [{"type": "string", "minLength": 4}, {"type": "integer"}]},
    "one of that overlap": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    "one of by tag": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": kind}, kind: {"type": "integer"}},
                "required": ["kind", kind],
            }
            for kind in ("cat", "dog")
        ]
    },
    "impossible branch": {"type": "object", "anyOf": [{"type": "string"}, {"required": ["a"]}]},
    "not": {"type": "integer", "minimum": 0, "maximum": 3, "not": {"enum": [0, 1, 2]}},
    "if then else": {
        "type": "object",
        "properties": {"country": {"enum": ["US", "NL"]}, "code": {"type": "string"}},
        "required": ["country", "code"],
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"code": {"pattern": "^[0-9]{5}$"}}},
        "else": {"properties": {"code": {"pattern": "^[0-9]{4} [A-Z]{2}$"}}},
    },
    "definitions": {
        "$defs": {"a b": {"type": "integer"}, "c/d": {"type": "null"}},
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a%20b"}, "y": {"$ref": "#/$defs/c~1d"}},
        "required": ["x", "y"],
    },
    "old definitions": {"definitions": {"a": {"type": "integer"}}, "$ref": "#/definitions/a"},
    "anchor": {"$defs": {"a": {"$anchor": "here", "type": "integer"}}, "$ref": "#here"},
    "reference with neighbours": {"$defs": {"a": {"type": "integer"}}, "$ref": "#/$defs/a", "minimum": 1000},
    "list": {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    "tree": TREE,
    "expression": EXPRESSION,
    "deep array": {
        "type": "array",
        "minItems": 1,
        "items": {"type": "array", "minItems": 1, "items": {"type": "null"}},
    },
    "unevaluated": {
        "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}],
        "type": "object",
        "unevaluatedProperties": False,
    },
    "strict": {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"explanation": {"type": "string"}, "output": {"type": ["string", "null"]}},
                    "required": ["explanation", "output"],
                    "additionalProperties": False,
                },
            },
            "final": {"type": "string"},
        },
        "required": ["steps", "final"],
        "additionalProperties": False,
    },
}

FORMATS = ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid"]
FORMATS += ["json-pointer", "regex", "idn-email", "iri", "nobody-knows-this"]

PATTERNS = [
    "^[A-Z]{3}-\\d{4}$",
    "^(foo|bar)+$",
    "^\\+?[1-9]\\d{1,14}$",
    "^#(?:[0-9a-fA-F]{3}){1,2}$",
    "^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$",
    "a.c",
    "^\\w+\\s\\W$",
    "^(?<year>\\d{4})-(?<month>0[1-9]|1[0-2])$",
    "^[\\w.-]{5}$",
    "^(?=.*)x{2,5}?$",
    "^\\x41\\u0042$",
    "",
    "^\\$\\{[a-z]+\\}$",
    "^a{,2}$",
    "[]a]",
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_value_is_valid_for_its_schema(name: str) -> None:
    for seed in ("one", "two", "three", "four"):
        Draft202012Validator(SCHEMAS[name]).validate(make_instance(SCHEMAS[name], seed))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_text_has_its_format(kind: str) -> None:
    schema = {"type": "string", "format": kind}
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(make_instance(schema, "seed"))


@pytest.mark.parametrize("pattern", PATTERNS[:-2])
def test_a_text_matches_its_pattern(pattern: str) -> None:
    import jsonschema_rs

    for seed in ("one", "two", "three"):
        schema = {"type": "string", "pattern": pattern}
        assert jsonschema_rs.is_valid(schema, make_instance(schema, seed))


@pytest.mark.parametrize("bounds", [{"minLength": 20}, {"maxLength": 4}, {"minLength": 7, "maxLength": 9}])
def test_a_pattern_and_lengths_hold_together(bounds: dict[str, int]) -> None:
    schema = {"type": "string", "pattern": "^[a-z]+$", **bounds}
    Draft202012Validator(schema).validate(make_instance(schema, "seed"))


def test_the_same_seed_makes_the_same_value_and_another_seed_another() -> None:
    schema = SCHEMAS["strict"]
    assert make_instance(schema, "a") == make_instance(schema, "a")
    assert make_instance(schema, "a") != make_instance(schema, "b")


def test_numbers_beyond_64_bits_can_be_written_as_json() -> None:
    made = make_instance({"type": "number", "multipleOf": 1e300, "minimum": 1e300}, "seed")
    assert orjson.loads(orjson.dumps(made)) >= 1e300


def test_optional_properties_are_filled_in() -> None:
    assert set(make_instance(SCHEMAS["object"], "seed")) == {"a", "b"}


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "nonsense"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"$ref": "https://example.com/elsewhere.json"},
        {"type": "object", "required": ["a"], "properties": {"a": False}},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "object", "minProperties": 10**9},
        {"type": "object", "required": ["self"], "properties": {"self": {"$ref": "#"}}},
        {"not": {}},
        {"$dynamicRef": "#node", "$defs": {"a": {"$dynamicAnchor": "node"}}},
        {"properties": {"a": {"$id": "https://example.com/a"}}},
        {"enum": []},
        "text",
        None,
        [],
    ],
    ids=repr,
)
def test_a_schema_that_nothing_fits_is_said_to_be_so(schema: Any) -> None:
    with pytest.raises(Unsatisfiable):
        make_instance(schema, "seed")


def test_a_schema_that_doubles_at_every_step_ends_soon() -> None:
    levels = 25
    defs: dict[str, Any] = {
        f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}, {"$ref": f"#/$defs/l{n + 1}"}]} for n in range(levels)
    }
    defs[f"l{levels}"] = {"type": "integer"}
    wide: dict[str, Any] = {"$defs": defs, "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/l0"}}
    with pytest.raises(Unsatisfiable, match="too large"):
        make_instance(wide, "seed")


def test_names_are_matched_as_the_validator_matches_them() -> None:
    """Whose patterns know `\\p{L}`, and take no exponential time over the second."""
    letters = {"type": "object", "patternProperties": {r"^\p{L}+$": {"type": "integer"}}, "required": ["é"]}
    assert isinstance(make_instance(letters, "seed")["é"], int)
    hostile = {"type": "object", "patternProperties": {"^(a+)+$": {"type": "integer"}}, "required": ["a" * 60 + "!"]}
    assert isinstance(make_instance(hostile, "seed")["a" * 60 + "!"], str)


def test_values_of_two_enums_are_the_same_as_json_has_it() -> None:
    shared = {"allOf": [{"enum": [True, {"b": 1, "a": 2}, 2]}, {"enum": [1, {"a": 2, "b": 1}]}]}
    assert make_instance(shared, "seed") == {"a": 2, "b": 1}


@pytest.mark.parametrize("keyword", ["properties", "$defs"])
def test_a_very_large_schema_is_refused(keyword: str) -> None:
    with pytest.raises(Unsatisfiable, match="too large"):
        make_instance({"type": "object", keyword: {f"p{number}": {} for number in range(20_000)}}, "seed")

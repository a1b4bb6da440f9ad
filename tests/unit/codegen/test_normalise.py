from __future__ import annotations

import jsonschema_rs
import pytest

from codegen.load import DocumentError
from codegen.normalise import normalise
from codegen.operation import Json
from codegen.schema import nullable
from tests.unit.codegen.documents import make_body, make_document, make_operation


def test_a_nameless_operation_is_named_by_method_and_path() -> None:
    paths = {"/v1/my-things/{id}": {"get": make_operation()}, "/named": {"get": make_operation("named_get")}}
    _, sources = normalise("api", make_document(paths))
    assert [(source.operation_id, source.derived) for source in sources] == [
        ("get_v1_my_things_by_id", True),
        ("named_get", False),
    ]


def test_a_handler_module_comes_from_overlay_tag_or_path() -> None:
    paths = {
        "/v1/a": {"get": make_operation("a", tags=["Big Things (Soon)"])},
        "/v1/b-c/{id}": {"get": make_operation("b")},
        "/v1/d": {"get": make_operation("d", **{"x-handler-module": "handlers.api.elsewhere"})},
    }
    document, sources = normalise("api", make_document(paths))
    assert [source.module for source in sources] == [
        "handlers.api.big_things_soon",
        "handlers.api.b_c",
        "handlers.api.elsewhere",
    ]
    assert [source.tag for source in sources] == ["Big Things (Soon)", "b_c", "elsewhere"]
    assert "handlers" not in repr(document)


def test_parameters_of_path_item_and_operation_are_merged() -> None:
    common = {"name": "id", "in": "path", "schema": {"type": "integer"}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    own = {"name": "limit", "in": "query", "schema": {"type": "string"}}
    paths = {"/a/{id}/{other}": {"parameters": [common, limit], "get": make_operation("a", parameters=[own])}}
    document, _ = normalise("api", make_document(paths))
    item = document["paths"]["/a/{id}/{other}"]
    assert "parameters" not in item
    assert item["get"]["parameters"] == [
        {**common, "required": True},
        own,
        {"name": "other", "in": "path", "required": True, "schema": {"type": "string"}},
    ]


LIMIT = {"name": "limit", "in": "query", "schema": {}}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (
            make_document({"/a": {"get": make_operation("a")}, "/b": {"get": make_operation("a")}}),
            "a names both GET /a and GET /b",
        ),
        (
            make_document({"/a": {"get": make_operation("a", parameters=[LIMIT, LIMIT])}}),
            "GET /a has the query parameter limit twice",
        ),
        (
            make_document({"/a": {"get": make_operation("a", parameters=[{"$ref": "#/components/parameters/b"}])}}),
            "leads nowhere",
        ),
        ({"openapi": "3.1.0"}, "no paths"),
        ({"swagger": "2.0", "paths": {}}, "not an OpenAPI 3 document"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(document: Json, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        normalise("api", document)


def test_inline_definitions_move_to_the_components() -> None:
    inline = {"$defs": {"Part": {"items": {"$ref": "#/$defs/Part"}}}, "properties": {"part": {"$ref": "#/$defs/Part"}}}
    document, _ = normalise("api", make_document({"/a": {"post": make_operation("a", requestBody=make_body(inline))}}))
    body = document["paths"]["/a"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"properties": {"part": {"$ref": "#/components/schemas/Part"}}}
    assert document["components"]["schemas"]["Part"] == {"items": {"$ref": "#/components/schemas/Part"}}


def test_a_union_of_overlapping_members_takes_what_both_accept() -> None:
    tool = {"oneOf": [{"enum": ["search"]}, {"type": "string"}]}
    either = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    document, _ = normalise("api", make_document({}, {"Tool": tool, "Either": either}))
    schemas = document["components"]["schemas"]
    assert schemas["Tool"] == {"anyOf": tool["oneOf"]}
    assert schemas["Either"] == either


def test_optional_properties_of_bodies_take_null_where_the_overlay_says_so() -> None:
    inner = {"type": "object", "properties": {"deep": {"type": "string"}}}
    schema = {
        "type": "object",
        "required": ["must"],
        "properties": {"must": {"type": "string"}, "may": {"$ref": "#/components/schemas/Inner"}},
    }
    paths = {"/a": {"post": make_operation("a", requestBody=make_body(schema))}}
    schemas = {"Inner": inner, "Answer": {"type": "object", "properties": {"may": {"type": "string"}}}}
    document, _ = normalise("api", make_document(paths, schemas, **{"x-optional-takes-null": True}))
    body = document["paths"]["/a"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"] == {
        "must": {"type": "string"},
        "may": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "null"}]},
    }
    assert document["components"]["schemas"]["Inner"]["properties"]["deep"] == {"type": ["string", "null"]}
    assert document["components"]["schemas"]["Answer"] == schemas["Answer"]
    assert "x-optional-takes-null" not in document


@pytest.mark.parametrize(
    ("schema", "valid"),
    [
        ({"type": "string", "default": "x"}, "text"),
        ({"type": ["string", "integer"]}, 1),
        ({"type": "string", "enum": ["a"]}, "a"),
        ({"const": "a"}, "a"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "?"}, 1),
        ({"allOf": [{"type": "string"}]}, "a"),
        ({"description": "anything"}, 1),
    ],
)
def test_null_is_truly_allowed(schema: Json, valid: Json) -> None:
    validator = jsonschema_rs.Draft202012Validator(nullable(schema))
    assert validator.is_valid(None)
    assert validator.is_valid(valid)
    assert nullable(schema).get("default") == schema.get("default")
    if set(schema) != {"description"}:
        assert not validator.is_valid({"neither": "nor"})

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest

from codegen.__main__ import main
from codegen.diff import compare
from codegen.generate import ROOT
from codegen.load import find_documents, load_document
from codegen.operation import Json
from tests.unit.codegen.documents import make_answer, make_body, make_document, make_operation, write_json

OLD = make_document(
    {
        "/things": {
            "get": make_operation("things_list", responses=make_answer({"$ref": "#/components/schemas/Thing"})),
            "post": make_operation("things_create", requestBody=make_body({"$ref": "#/components/schemas/Thing"})),
        },
        "/things/{id}": {"delete": make_operation("things_delete", parameters=[])},
    },
    {
        "Thing": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "kind": {"type": "string", "enum": ["a", "b"]},
                "size": {"type": ["number", "null"], "maximum": 10},
                "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
            },
        }
    },
)


def change(*edits: tuple[str, Json]) -> Json:
    """OLD with the values at dotted places set, or taken away where the new value is None."""
    document = deepcopy(OLD)
    for place, value in edits:
        *steps, last = place.split(".")
        node = document
        for step in steps:
            node = node[step]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return document


THING = "components.schemas.Thing"
LIST, CREATE = "paths./things.get", "paths./things.post"
BREAKING: list[tuple[tuple[str, Json], str]] = [
    (("paths./things/{id}", None), "DELETE /things/{id}: the operation is removed"),
    ((f"{THING}.required", ["name", "kind"]), "schema Thing: the property kind is now required"),
    ((f"{THING}.required", []), "schema Thing: the property name is no longer required"),
    ((f"{THING}.properties.kind", None), "schema Thing: the property kind is removed"),
    ((f"{THING}.properties.kind.enum", ["a"]), "schema Thing.kind: no longer takes the value 'b'"),
    ((f"{THING}.properties.name.enum", ["a"]), "schema Thing.name: takes only 'a'"),
    ((f"{THING}.properties.size.type", "number"), "schema Thing.size: no longer takes null"),
    ((f"{THING}.properties.size.type", ["integer", "null"]), "schema Thing.size: no longer takes number"),
    ((f"{THING}.properties.size.maximum", 9), "schema Thing.size: maximum was 10 and is 9"),
    ((f"{THING}.properties.name.pattern", "x"), "schema Thing.name: pattern was absent and is x"),
    ((f"{THING}.properties.name.type", "integer"), "schema Thing.name: no longer takes string"),
    ((f"{THING}.additionalProperties", False), "schema Thing: takes no further properties"),
    ((f"{LIST}.responses.200", None), "GET /things: the status 200 is removed"),
    ((f"{LIST}.responses.200.content", {}), "GET /things 200: the media type application/json is removed"),
    ((f"{CREATE}.requestBody", None), "POST /things: the request body is removed"),
    (
        (f"{LIST}.parameters", [{"name": "page", "in": "query", "required": True, "schema": {}}]),
        "GET /things: a required query parameter page is added",
    ),
    ((f"{LIST}.security", [{"Key": []}]), "GET /things: no credential no longer opens it"),
]
HARMLESS: list[tuple[str, Json]] = [
    ("paths./new", {"get": make_operation("new")}),
    (f"{THING}.properties.owner", {"type": "string"}),
    (f"{THING}.properties.kind.enum", ["a", "b", "c"]),
    (f"{THING}.properties.size.maximum", 11),
    (f"{LIST}.responses.404", {"description": "Not found"}),
    (f"{LIST}.parameters", [{"name": "page", "in": "query", "schema": {}}]),
    (f"{THING}.properties.name.description", "What it is called"),
    ("info.title", "Renamed"),
]


@pytest.mark.parametrize(("edit", "sentence"), BREAKING)
def test_a_change_that_breaks_clients_is_said_in_words(edit: tuple[str, Json], sentence: str) -> None:
    assert sentence in [str(found).rpartition(" (")[0] or str(found) for found in compare(OLD, change(edit)).breaking]


@pytest.mark.parametrize("edit", HARMLESS)
def test_widening_breaks_nobody(edit: tuple[str, Json]) -> None:
    assert compare(OLD, change(edit)).breaking == ()


def test_a_type_that_an_answer_gains_breaks_its_readers_and_one_that_a_body_gains_does_not() -> None:
    nullable = change((f"{THING}.properties.name.type", ["string", "null"]))
    assert [str(found) for found in compare(OLD, nullable).breaking] == [
        "schema Thing.name: may now be null (GET /things)"
    ]


def test_null_is_the_same_in_every_spelling() -> None:
    spelled = change((f"{THING}.properties.size", {"anyOf": [{"type": "number", "maximum": 10}, {"type": "null"}]}))
    assert compare(OLD, spelled).changes == ()


def test_a_member_of_a_union_that_another_one_covers_is_not_missed() -> None:
    both = {"anyOf": [{"type": "integer"}, {"type": "number"}, {"enum": ["auto"]}, {"type": "string"}]}
    one = {"anyOf": [{"type": "number"}, {"type": "string"}]}
    old, new = change((f"{THING}.properties.size", both)), change((f"{THING}.properties.size", one))
    assert compare(old, new).changes == ()
    assert compare(new, old).changes == ()


def test_a_member_that_a_recursive_union_loses_is_named() -> None:
    leaf = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "leaf"}}}
    branches = [{"type": "string"}, leaf, {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}]
    body = {"post": make_operation("trees_create", requestBody=make_body({"$ref": "#/components/schemas/Tree"}))}
    old = make_document({"/trees": body}, {"Tree": {"anyOf": branches}})
    new = make_document({"/trees": body}, {"Tree": {"anyOf": branches[1:]}})
    assert [str(found) for found in compare(old, new).breaking] == ["schema Tree: no longer takes string (POST /trees)"]
    assert compare(new, old).breaking == ()


def test_a_renamed_template_variable_is_the_same_operation() -> None:
    document = change(("paths./things/{id}", None))
    document["paths"]["/things/{thing_id}"] = OLD["paths"]["/things/{id}"]
    difference = compare(OLD, document)
    assert (difference.added, difference.removed, difference.changes) == ((), (), ())


@pytest.mark.parametrize("api", ["maniac", "ipop", "llama_stack", "llama_stack_deprecated"])
def test_a_document_does_not_differ_from_itself(api: str) -> None:
    document = load_document(find_documents(ROOT / "specs" / "documents")[api])
    difference = compare(document, deepcopy(document))
    assert (difference.added, difference.removed, difference.changed, difference.changes) == ((), (), (), ())


def test_the_command_names_a_removed_operation_and_a_required_property(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = change(
        ("paths./things/{id}", None),
        (f"{THING}.properties.owner", {"type": "string"}),
        (f"{THING}.required", ["name", "owner"]),
        ("paths./new", {"get": make_operation("new")}),
    )
    old_path, new_path = write_json(tmp_path / "old.json", OLD), write_json(tmp_path / "new.json", new)
    assert main(["diff", str(old_path), str(new_path)]) == 1
    text = capsys.readouterr().out
    assert text.startswith("Breaking changes (2)")
    assert "DELETE /things/{id}: the operation is removed" in text
    assert "schema Thing: a required property owner is added (POST /things)" in text
    assert "Added operations (1)\n  GET /new" in text
    assert "Changed operations (2)\n  GET /things\n  POST /things" in text


def test_the_command_lets_harmless_changes_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old_path = write_json(tmp_path / "old.json", OLD)
    assert main(["diff", str(old_path), str(old_path)]) == 0
    assert capsys.readouterr().out == "No change.\n"
    assert main(["diff", "--json", str(old_path), str(write_json(tmp_path / "new.json", change(HARMLESS[1])))]) == 0
    assert [found["breaking"] for found in json.loads(capsys.readouterr().out)["changes"]] == [False]


@pytest.mark.parametrize("value", [[], {"openapi": "3.1.0"}, {"openapi": "3.1.0", "paths": {"/a": {"get": 1}}}])
def test_the_command_says_when_a_document_cannot_be_read(tmp_path: Path, value: Json) -> None:
    old_path = write_json(tmp_path / "old.json", OLD)
    assert main(["diff", str(old_path), str(write_json(tmp_path / "new.json", value))]) == 2
    assert main(["diff", str(tmp_path / "absent.json"), str(old_path)]) == 2

from __future__ import annotations

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from codegen.__main__ import main
from codegen.generate import Layout, build_all, build_api
from codegen.load import DocumentError
from codegen.operation import Json
from tests.unit.codegen.documents import make_answer, make_body, make_document, make_operation, write_json


def load_module(text: str, tmp_path: Path) -> ModuleType:
    path = tmp_path / "made_routes.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("made_routes", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_routes"] = module
    spec.loader.exec_module(module)
    return module


def build_routes(document: Json, tmp_path: Path) -> ModuleType:
    build = build_api("made", write_json(tmp_path / "made.json", document), tmp_path / "absent.yaml", tmp_path / "out")
    return load_module(build.files[tmp_path / "out" / "made" / "routes.py"], tmp_path)


def query(name: str, schema: Json, **further: Json) -> dict[str, Json]:
    return {"name": name, "in": "query", "schema": schema, **further}


def test_generating_again_gives_what_is_committed_to_the_byte() -> None:
    build = build_all(Layout())
    assert {path: path.read_bytes().decode() for path in build.files} == build.files
    assert build.warnings == ()


def test_a_document_without_an_overlay_generates_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"/v1/things/{id}": {"get": make_operation()}}
    write_json(tmp_path / "specs" / "documents" / "new-things.json", make_document(paths))
    options = ["--specs", str(tmp_path / "specs"), "--out", str(tmp_path / "out")]
    assert main(["check", *options]) == 1
    assert main(["generate", *options]) == 0
    output = capsys.readouterr()
    assert "new-things.json: added" in output.out
    assert "warning: new_things: GET /v1/things/{id} has no usable name and is called get_v1_things_by_id" in output.err
    assert main(["check", *options]) == 0
    routes = load_module((tmp_path / "out" / "new_things" / "routes.py").read_text(), tmp_path)
    (operation,) = routes.OPERATIONS
    assert (operation.operation_id, operation.derived) == ("get_v1_things_by_id", True)
    assert operation.module == "handlers.new_things.things"


def test_check_fails_on_a_changed_document_an_edited_file_and_a_folder_without_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = write_json(
        tmp_path / "specs" / "documents" / "a.json", make_document({"/a": {"get": make_operation("a")}})
    )
    options = ["--specs", str(tmp_path / "specs"), "--out", str(tmp_path / "out")]
    assert main(["generate", *options]) == 0
    with document.open("a") as file:
        file.write("\n")
    assert main(["check", *options]) == 1
    assert "documents.lock: out of date" in capsys.readouterr().err
    assert main(["generate", *options]) == 0
    assert "a.json: changed" in capsys.readouterr().out
    (tmp_path / "out" / "a" / "routes.py").write_text("")
    assert main(["check", *options]) == 1
    assert "routes.py: out of date" in capsys.readouterr().err
    document.rename(document.with_name("b.json"))
    assert main(["generate", *options]) == 0
    said = capsys.readouterr().out
    assert said.startswith("b.json: added\na.json: removed\na has no document: delete ")
    assert main(["check", *options]) == 1
    assert "a: has no document" in capsys.readouterr().err


def test_parameters_become_fields_of_a_dataclass(tmp_path: Path) -> None:
    parameters = [
        query("limit", {"type": "integer", "default": 20}),
        query("api-key", {"type": "string"}),
        query("from", {"type": ["string", "null"]}),
        query("order", {"enum": ["asc", "desc"], "default": "asc"}),
        query("tags", {"type": "array", "items": {"type": "string"}, "default": ["new"]}),
        query("id", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        query("filter", {"type": "object"}, required=True, style="deepObject"),
        {"name": "Last-Event-ID", "in": "header", "schema": {"$ref": "#/components/schemas/Number"}},
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "x-crosses-slashes": True},
    ]
    paths = {"/a/{id}": {"get": make_operation("things_get", parameters=parameters)}}
    routes = build_routes(make_document(paths, {"Number": {"type": "integer"}}), tmp_path)
    assert {field.name: field.type for field in fields(routes.ThingsGetParams)} == {
        "filter": "dict[str, Any]",
        "id_path": "str",
        "limit": "int",
        "api_key": "str | None",
        "from_": "str | None",
        "order": "Literal['asc', 'desc']",
        "tags": "list[str]",
        "id": "int | None",
        "last_event_id": "int | None",
    }
    params = routes.ThingsGetParams(filter={}, id_path="a/b")
    assert (params.limit, params.order, params.tags, params.api_key) == (20, "asc", ["new"], None)
    assert params.tags is not routes.ThingsGetParams(filter={}, id_path="").tags
    (operation,) = routes.OPERATIONS
    assert operation.params is routes.ThingsGetParams
    by_field = {parameter.field: parameter for parameter in operation.parameters}
    assert by_field["id_path"].crosses_slashes
    assert not by_field["id"].crosses_slashes
    assert (by_field["filter"].style, by_field["filter"].explode) == ("deepObject", False)
    assert (by_field["limit"].style, by_field["limit"].explode) == ("form", True)
    assert by_field["last_event_id"].name == "Last-Event-ID"
    assert by_field["limit"].schema == "#/paths/~1a~1{id}/get/parameters/0/schema"


def test_bodies_and_answers_of_every_kind_have_a_row(tmp_path: Path) -> None:
    part = {"$ref": "#/components/schemas/snake_part"}
    content = {"multipart/form-data": {"schema": {"type": "object"}}, "text/csv": {}}
    responses = {
        "default": {"description": "else"},
        "204": {"description": "nothing"},
        "200": {"description": "many", "content": {"application/json": {"schema": {"type": "array", "items": part}}}},
    }
    paths = {
        "/json": {"post": make_operation("a_create", requestBody=make_body({**part, "description": "the part"}))},
        "/inline": {"post": make_operation("b_create", requestBody=make_body({"type": "object"}))},
        "/form": {"post": make_operation("c_create", requestBody={"content": content}, responses=responses)},
    }
    build = build_api(
        "made",
        write_json(tmp_path / "made.json", make_document(paths, {"snake_part": {"type": "object"}})),
        tmp_path / "absent.yaml",
        tmp_path,
    )
    routes = load_module(build.files[tmp_path / "made" / "routes.py"], tmp_path)
    part_row, inline, form = routes.OPERATIONS
    assert part_row.body_required
    assert part_row.body[0].schema == "#/components/schemas/snake_part"
    assert part_row.body[0].model == "codegen.generated.made.models.SnakePart"
    assert inline.body[0].model == "codegen.generated.made.models.BCreateRequest"
    assert not form.body_required
    assert [(row.media_type, row.schema is None, row.model) for row in form.body] == [
        ("multipart/form-data", False, None),
        ("text/csv", True, None),
    ]
    assert [answer.status for answer in form.responses] == ["200", "204", "default"]
    assert form.responses[0].payloads[0].model == "codegen.generated.made.models.CCreateResponse"
    assert form.responses[1].payloads == ()
    models = build.files[tmp_path / "made" / "models.py"]
    for name in ("SnakePart", "BCreateRequest", "CCreateResponse"):
        assert f"class {name}(" in models


def test_security_is_the_operations_own_or_the_documents(tmp_path: Path) -> None:
    paths = {
        "/a": {"get": make_operation("a")},
        "/b": {"get": make_operation("b", security=[])},
        "/c": {"get": make_operation("c", security=[{"One": [], "Two": []}, {"Three": []}])},
    }
    routes = build_routes(make_document(paths, security=[{"Key": []}]), tmp_path)
    assert [row.security for row in routes.OPERATIONS] == [(("Key",),), (), (("One", "Two"), ("Three",))]


@pytest.mark.parametrize(
    ("schemas", "complaint"),
    [
        ({"a_b": {}, "AB": {}}, "would both make the model AB"),
        ({"A": {"$ref": "#/components/schemas/Absent"}}, "leads nowhere"),
        ({"Answer": {"$ref": "#/components/schemas/Answer"}}, "Answer refers to itself"),
        ({"A": {"$ref": "https://example.com/a.json"}}, "not a pointer into this document"),
    ],
)
def test_what_cannot_be_generated_is_said(tmp_path: Path, schemas: Json, complaint: str) -> None:
    answer = make_answer({"$ref": "#/components/schemas/Answer"})
    paths = {"/a": {"get": make_operation("a", responses=answer)}}
    document = make_document(paths, {"Answer": {}, **schemas})
    with pytest.raises(DocumentError, match=complaint):
        build_routes(document, tmp_path)


def test_a_recursive_model_is_generated(tmp_path: Path) -> None:
    tree = {
        "type": "object",
        "properties": {"parts": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
    }
    document = make_document({"/a": {"get": make_operation("a")}}, {"Tree": tree})
    build = build_api("made", write_json(tmp_path / "made.json", document), tmp_path / "absent.yaml", tmp_path)
    assert "parts: list[Tree]" in build.files[tmp_path / "made" / "models.py"]


def test_a_component_may_be_called_what_the_module_of_the_models_imports(tmp_path: Path) -> None:
    document = make_document({"/a": {"get": make_operation("a", responses=make_answer({}))}}, {"View": {}, "Any": {}})
    build = build_api("made", write_json(tmp_path / "made.json", document), tmp_path / "absent.yaml", tmp_path)
    models = build.files[tmp_path / "made" / "models.py"]
    assert "class ViewSchema(" in models
    assert "class AnySchema(" in models


ODD = {
    "type": "object",
    "required": ["class", "never-declared"],
    "properties": {
        "class": {"type": "string"},
        "schema": {"type": "object"},
        "model_config": {"type": ["integer", "null"]},
        "_private": True,
        "a-b": {"enum": ["x", 1, None]},
        "1st": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        "pair": {"allOf": [{"$ref": "#/components/schemas/Odd/properties/schema"}], "not": {"required": ["z"]}},
        "some": {"anyOf": [True, {"type": "string"}]},
        "json": {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False},
        "date": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": True,
}


def test_a_document_may_be_odd(tmp_path: Path) -> None:
    parameters = [{"name": "q", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}]
    shared = {"requestBodies": {"Odd": make_body({"$ref": "#/components/schemas/Odd"})}}
    reference = {"$ref": "#/components/requestBodies/Odd"}
    paths = {"/a/{x}": {"post": make_operation("a", parameters=parameters, requestBody=reference)}}
    document = make_document(paths, {"Odd": ODD, "v1.thing-name": {"$ref": "#/components/schemas/Odd"}})
    document["components"] |= shared
    build = build_api("made", write_json(tmp_path / "made.json", document), tmp_path / "absent.yaml", tmp_path)
    (operation,) = load_module(build.files[tmp_path / "made" / "routes.py"], tmp_path).OPERATIONS
    assert operation.body[0].model == "codegen.generated.made.models.Odd"
    assert operation.parameters[0].schema == "#/paths/~1a~1{x}/post/parameters/0/content/application~1json/schema"
    models = load_module(build.files[tmp_path / "made" / "models.py"], tmp_path)
    value = {
        "class": "c",
        "never-declared": 1,
        "schema": {},
        "1st": ["s", 1],
        "date": "",
        "_private": 1,
        "json": {"x": 1},
    }
    assert models.Odd.model_validate(value).class_ == "c"


def test_a_property_is_not_taken_for_another_that_python_calls_alike(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a-b": {"type": "string"}, "a_b": {"type": "number"}}}
    document = make_document({"/a": {"get": make_operation("a")}}, {"Pair": schema})
    build = build_api("made", write_json(tmp_path / "made.json", document), tmp_path / "absent.yaml", tmp_path)
    models = load_module(build.files[tmp_path / "made" / "models.py"], tmp_path)
    pair = models.Pair.model_validate({"a_b": 1.5})
    assert pair.model_dump(by_alias=True, exclude_unset=True) == {"a_b": 1.5}


def test_parameters_that_python_calls_alike_are_told_apart(tmp_path: Path) -> None:
    names = ("x-y", "x_y", "x.y", "field", "名前")
    parameters = [query(name, {"type": "array", "default": []}) for name in names]
    paths = {"/a": {"get": make_operation("list-things", parameters=parameters)}}
    routes = build_routes(make_document(paths), tmp_path)
    (operation,) = routes.OPERATIONS
    assert (operation.operation_id, operation.derived) == ("list_things", True)
    assert [each.field for each in operation.parameters] == ["x_y", "x_y_query", "x_y_2", "field", "value"]
    assert routes.ListThingsParams().field == []


def test_operations_whose_types_would_be_one_are_refused(tmp_path: Path) -> None:
    paths = {"/a": {"get": make_operation("get_thing"), "post": make_operation("getThing")}}
    with pytest.raises(DocumentError, match="get_thing and getThing are too alike"):
        build_routes(make_document(paths), tmp_path)

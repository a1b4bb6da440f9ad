"""A document taken in: what is made of it, and what is refused and why."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from codegen.adopt import Adopted, Wanted, adopt, write
from codegen.generate import Layout, build_all, find_stale
from codegen.load import DocumentError
from codegen.upgrade import upgrade
from tests.unit.codegen.documents import make_answer, make_document, make_operation, write_json

PET = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """With one API in it."""
    made = Layout(tmp_path / "specs", tmp_path / "generated")
    write_json(made.documents / "maniac.json", make_document({"/a": {"get": make_operation("a")}}))
    made.registry.write_text("maniac:\n  title: Maniac\n  prefix: /maniac\n")
    return made


def take(layout: Layout, document: Any, filename: str = "pet-store.yaml", **wanted: str) -> Adopted:
    source = layout.specs.parent / filename
    source.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
    return adopt(Wanted(source, **wanted), layout)


def routes_of(adopted: Adopted, layout: Layout) -> str:
    return adopted.build.files[layout.out / adopted.api.slug / "routes.py"]


def test_document_gets_a_place_and_every_operation_a_name(layout: Layout) -> None:
    paths = {
        "/pets": {"get": make_operation(tags=["Pets & co"]), "post": make_operation("addPet")},
        "/pets/it's": {"get": make_operation("pets/list it"), "delete": make_operation("class")},
        "/pets/{id}": {"get": make_operation(tags=["errors"])},
        "/pets-": {"get": make_operation()},
    }
    adopted = take(layout, make_document(paths))
    assert (adopted.api.slug, adopted.api.prefix, adopted.api.title) == ("pet_store", "/pet-store", "Things")
    assert adopted.build.warnings == ()
    names = [op["operationId"] for item in adopted.spec["paths"].values() for op in item.values()]
    assert names == ["get_pets", "addPet", "pets_list_it", "class_", "get_pets_by_id", "get_pets_2"]
    routes = routes_of(adopted, layout)
    ast.parse(routes)
    assert "'handlers.pet_store.pets_co'" in routes
    assert "'handlers.pet_store.errors_'" in routes


def test_what_is_written_is_what_generating_would_write(layout: Layout) -> None:
    adopted = take(layout, make_document({"/pets": {"get": make_operation()}}), name="Zoo-2", prefix="/animals/v1")
    assert not adopted.document.exists()
    write(adopted, layout)
    assert adopted.document.name == "zoo-2.yaml"
    build = build_all(layout)
    assert find_stale(layout, {path: text for path, text in build.files.items() if "maniac" not in path.parts}) == []
    assert "Api(slug='zoo_2', title='Things', prefix='/animals/v1', root='')" in build.files[layout.out / "__init__.py"]
    with pytest.raises(DocumentError, match="the name zoo_2 is taken"):
        take(layout, make_document({"/pets": {"get": make_operation()}}), name="zoo-2")


def test_scheme_that_was_never_defined_is_a_bearer_key(layout: Layout) -> None:
    document = make_document({"/pets": {"get": make_operation(security=[{"Key 1": []}])}})
    adopted = take(layout, document)
    assert adopted.spec["components"]["securitySchemes"] == {"Key 1": {"type": "http", "scheme": "bearer"}}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("a: [", "pet-store.yaml: "),
        ("- a", "not an object"),
        ("title: x", "does not say `openapi: 3.1.0`"),
        ("swagger: '2.0'", "Swagger 2.0: convert it"),
        ("openapi: 3.2.0", "OpenAPI 3.2.0, and only 3.0 and 3.1"),
        ("openapi: 3.1.0", "not a usable OpenAPI document"),
        (make_document({}), "no operations"),
        (make_document({"/a": {"get": "x"}}), "not a usable OpenAPI document"),
        (make_document({"/a": {"$ref": "other.yaml"}}), "is a reference to another file"),
        (make_document({"/a/{b}.json": {"get": make_operation()}}), "a whole segment"),
        (make_document({f"/a/{{{x}}}": {"get": make_operation(x)} for x in "bc"}), "GET /a/{c} cannot be told from"),
        (make_document({"/a": {"get": make_operation(responses=make_answer({"type": "strange"}))}}), "wrong in itself"),
        (make_document({"/a": {"get": make_operation(responses=make_answer({"$ref": "#/x"}))}}), "#/x leads nowhere"),
        (make_document({"/a": {"get": make_operation(responses=make_answer({"$ref": "b.yaml"}))}}), "b.yaml is not"),
    ],
)
def test_what_no_api_can_be_made_of_is_refused_and_nothing_written(
    layout: Layout, document: Any, complaint: str
) -> None:
    before = sorted(layout.specs.parent.rglob("*"))
    with pytest.raises(DocumentError, match=complaint):
        take(layout, document)
    (layout.specs.parent / "pet-store.yaml").unlink()
    assert sorted(layout.specs.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("filename", "wanted", "complaint"),
    [
        ("maniac.yaml", {}, "the name maniac is taken"),
        ("core.yaml", {}, "the name core is taken"),
        ("class.yaml", {}, "'class' cannot name an API"),
        ("2.yaml", {}, "'2' cannot name an API"),
        ("pets.txt", {}, "name ends with .json, .yaml, .yml"),
        ("pets.yaml", {"prefix": "/maniac/v2"}, "begins with /maniac, which is taken by maniac"),
        ("docs.yaml", {}, "begins with /docs, which is taken by the server itself"),
        ("pets.yaml", {"prefix": "pets"}, "is no path like /pets"),
    ],
)
def test_names_and_places_that_are_taken_are_refused(
    layout: Layout, filename: str, wanted: dict[str, str], complaint: str
) -> None:
    with pytest.raises(DocumentError, match=complaint):
        take(layout, make_document({"/a": {"get": make_operation("a")}}), filename, **wanted)


def test_missing_file_is_named(layout: Layout) -> None:
    with pytest.raises(DocumentError, match=r"absent\.yaml"):
        adopt(Wanted(layout.specs / "absent.yaml"), layout)


OLD = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "string", "nullable": True, "example": "x"},
        "b": {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 5, "exclusiveMaximum": False},
        "c": {"type": "string", "enum": ["x"], "nullable": True},
        "d": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Pet"}]},
        "e": {"$ref": "#/components/schemas/Pet", "nullable": True},
        "nullable": {"type": "boolean"},
    },
}


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ({"a": None}, True),
        ({"a": 1}, False),
        ({"a": "x", "b": 3}, False),
        ({"a": "x", "b": 5}, True),
        ({"a": "x", "b": 6}, False),
        ({"a": "x", "c": None}, True),
        ({"a": "x", "c": "y"}, False),
        ({"a": "x", "d": None}, True),
        ({"a": "x", "d": 4}, False),
        ({"a": "x", "e": None}, False),
        ({"a": "x", "nullable": True}, True),
    ],
)
def test_document_of_3_0_says_the_same_in_3_1(layout: Layout, value: Any, allowed: bool) -> None:
    document = make_document({"/a": {"get": make_operation(responses=make_answer(OLD))}}, {"Pet": PET}, openapi="3.0.3")
    adopted = take(layout, document)
    assert adopted.upgraded
    assert adopted.spec["openapi"] == "3.1.0"
    assert adopted.text.startswith(b"openapi: 3.0.3")
    schema = adopted.spec["paths"]["/a"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": json.loads(json.dumps(adopted.spec["components"]))}
    assert jsonschema_rs.is_valid(whole, value) is allowed
    assert schema["properties"]["a"]["examples"] == ["x"]


def test_document_of_3_1_is_left_alone() -> None:
    document = make_document({"/a": {"get": make_operation()}})
    assert upgrade(document) is document

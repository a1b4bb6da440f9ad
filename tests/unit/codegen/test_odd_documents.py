"""Whatever a small document says, code is generated from it that imports and takes what the document allows."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings

from codegen.generate import build_api
from codegen.operation import Json, Operation, expected_parameters
from codegen.payloads import name_class
from codegen.pointer import point
from tests.unit.codegen.documents import write_json
from tests.unit.codegen.instances import Instances
from tests.unit.codegen.odd_documents import documents

SEEDS = 4
EVERY_RUN = settings(
    derandomize=True, max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@contextmanager
def imported(folder: Path, name: str) -> Iterator[ModuleType]:
    """A generated module, its import told of any warning as an error."""
    spec = importlib.util.spec_from_file_location(f"odd_{name}", folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]


def hold(document: Json) -> None:
    """Generates from a document and tries what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = build_api("odd", write_json(folder / "odd.json", document), folder / "absent.yaml", folder / "out")
        for path, text in build.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        served = next(text for path, text in build.files.items() if path.name == "openapi.json")
        with imported(folder / "out" / "odd", "models") as models, imported(folder / "out" / "odd", "routes") as routes:
            hold_models(json.loads(served), models)
            for operation in routes.OPERATIONS:
                hold_operation(operation, routes)


def hold_models(document: Json, models: ModuleType) -> None:
    registry = jsonschema_rs.Registry([("urn:document", {**document, "$id": "urn:document"})])
    for name, schema in document["components"]["schemas"].items():
        reference = {"$ref": f"urn:document{point('components', 'schemas', name)}"}
        validator = jsonschema_rs.Draft202012Validator(reference, registry=registry)
        model = getattr(models, name_class(name))
        for seed in range(SEEDS):
            try:
                value = Instances(document, seed).make(schema)
            except (AttributeError, TypeError):
                continue
            if validator.is_valid(value):
                model.model_validate(value, strict=True)


def hold_operation(operation: Operation, routes: ModuleType) -> None:
    assert operation.operation_id.isidentifier()
    assert all(part.isidentifier() for part in operation.module.split("."))
    for name, annotation in expected_parameters(operation):
        assert name == "call" or hasattr(routes, annotation), annotation
    if operation.params:
        fields = {parameter.field for parameter in operation.parameters}
        assert len(fields) == len(operation.parameters)
        operation.params(**dict.fromkeys(fields))
        required = {parameter.field for parameter in operation.parameters if parameter.required}
        operation.params(**dict.fromkeys(required))


@EVERY_RUN
@given(documents())
def test_what_is_generated_imports_and_takes_what_the_document_allows(document: Json) -> None:
    hold(document)


@pytest.mark.parametrize("name", ["list", "Any", "Integer"])
def test_a_part_of_a_schema_does_not_take_the_name_of_another(name: str) -> None:
    part = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    whole = {"type": "object", "properties": {name: part}, "required": [name]}
    answer = {"description": "a", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Whole"}}}}
    hold(
        {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1"},
            "paths": {"/wholes": {"get": {"operationId": "wholes_get", "responses": {"200": answer}}}},
            "components": {"schemas": {"Whole": whole, name: {"type": "string"}}},
        }
    )

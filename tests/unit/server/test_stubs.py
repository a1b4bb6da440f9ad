"""What `concordat new` writes for handlers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from codegen.operation import Operation, Parameter, Payload
from handlers.core.errors import CoreError, Invalid, NotFound
from handlers.wire.unwritten import unwritten
from server import inspect
from server.stubs import write_errors, write_modules
from tests.unit.codegen.documents import make_document, make_operation

ROOT = Path(__file__).parents[3]
TEXT = {"type": "string"}
OPERATIONS = (
    Operation(
        "list_pets", "GET", '/pets\\"', "handlers.zoo.pets", 'Pets """', params=object,
        parameters=(Parameter("limit", "limit", "query", False, "#/x", "form", True),),
    ),
    Operation("add_pet", "POST", "/pets", "handlers.zoo.pets", "Pets", body=(Payload("application/json", None),)),
    Operation(
        "replace_everything_that_there_is_to_know_of_a_pet_that_was_found_again", "PUT", "/pets/{id}",
        "handlers.zoo.pets", "Pets", params=object, body=(Payload("application/json", None),),
    ),
    Operation("health", "GET", "/health", "handlers.zoo.health", "Health"),
)  # fmt: skip


def test_each_module_has_a_stub_for_each_operation_in_the_houses_style(tmp_path: Path) -> None:
    modules = write_modules(OPERATIONS)
    assert set(modules) == {"handlers.zoo.pets", "handlers.zoo.health"}
    for name, text in modules.items():
        (tmp_path / f"{name.rpartition('.')[2]}.py").write_text(text)
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), str(tmp_path)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert "async def add_pet(body: AddPetBody, call: Call) -> Answer:" in modules["handlers.zoo.pets"]
    assert "async def health(call: Call) -> Answer:" in modules["handlers.zoo.health"]


def test_stub_is_no_handler() -> None:
    """A real handler, of an operation of its own name."""
    operation = next(one for one in inspect.operations("maniac") if inspect.find_handler(one) is not None)
    handler = inspect.find_handler(operation)
    assert handler is not None
    unwritten(handler.function)
    try:
        assert inspect.find_handler(operation) is None
    finally:
        del handler.function.is_unwritten  # type: ignore[attr-defined]
    assert inspect.find_handler(operation) is not None


def render(schema: Any, error: CoreError, schemas: Any = None) -> Any:
    answer = {"description": "It failed.", "content": {"application/json": {"schema": schema}}}
    document = make_document({"/a": {"get": make_operation("a", responses={"default": answer})}}, schemas)
    module = ModuleType("errors")
    exec(write_errors("Zoo", document), module.__dict__)
    status, _, content = module.render(error, "req_1")
    assert status == error.status
    assert module.stream_error(error, "req_1").startswith(b"data: ")
    return content


CODED = {"code": {"type": "integer"}, "message": TEXT}
NESTED = {"error": {"type": "object", "properties": {"code": TEXT, "detail": TEXT}}}
ODD = {"ok": {"type": "boolean"}, "tags": {"type": "array"}, "hint": TEXT, "requestId": {"type": ["null", "string"]}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": CODED}, {"code": 404, "message": "gone"}),
        ({"type": "object", "properties": NESTED}, {"error": {"code": "not_found", "detail": "gone"}}),
        (
            {"type": "object", "required": ["ok", "tags"], "properties": ODD},
            {"ok": False, "tags": [], "requestId": "req_1"},
        ),
        ({"$ref": "#/components/schemas/E"}, {"status": 404, "title": "gone"}),
        (TEXT, {"error": {"code": "not_found", "message": "gone", "request_id": "req_1"}}),
    ],
)
def test_errors_have_the_shape_that_the_document_gives_them(schema: Any, expected: Any) -> None:
    schemas = {"E": {"type": "object", "properties": {"status": {"type": "integer"}, "title": TEXT}}}
    assert render(schema, NotFound("gone"), schemas) == expected


def test_param_of_an_error_is_told_where_there_is_a_place_for_it() -> None:
    schema = {"type": "object", "properties": {"param": TEXT}}
    assert render(schema, Invalid("wrong", param="limit")) == {"param": "limit"}

"""Generated models take whatever the document allows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from codegen.operation import Body, Json, Payload
from codegen.payloads import is_json, name_class
from codegen.pointer import point, resolve
from tests.unit.codegen.instances import Instances
from tests.unit.codegen.served import APIS, compile_schema, find_operation, read_operations, read_served

SEEDS = 12


def load_model(payload: Payload) -> Any:
    assert payload.model
    module, _, name = payload.model.rpartition(".")
    return getattr(import_module(module), name)


def json_bodies(api: str) -> list[tuple[str, Payload]]:
    return [
        (operation.operation_id, payload)
        for operation in read_operations(api)
        for payload in operation.body
        if is_json(payload.media_type)
    ]


@pytest.mark.parametrize("api", APIS)
def test_importing_the_models_warns_of_nothing(api: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import_module(f"codegen.generated.{api}.models")


@pytest.mark.parametrize("api", APIS)
def test_every_json_body_and_answer_has_a_model(api: str) -> None:
    for operation in read_operations(api):
        answers = [payload for answer in operation.responses if answer.status[0] == "2" for payload in answer.payloads]
        for payload in [*operation.body, *answers]:
            if is_json(payload.media_type) and payload.schema:
                assert load_model(payload)


@pytest.mark.parametrize("api", APIS)
def test_every_body_that_the_document_allows_is_accepted_by_its_model(api: str) -> None:
    document = read_served(api)
    for operation_id, payload in json_bodies(api):
        assert payload.schema
        validator = compile_schema(api, payload.schema)
        schema = resolve(document, payload.schema)
        values = [Instances(document, seed).make(schema) for seed in range(SEEDS)]
        allowed = [value for value in values if validator.is_valid(value)]
        assert len(allowed) >= SEEDS // 3, f"{operation_id}: hardly any of the made values is allowed"
        for value in allowed:
            assert Body[Any](value, payload.model).view is not None


@pytest.mark.parametrize("api", APIS)
def test_every_component_is_accepted_by_its_model(api: str) -> None:
    document = read_served(api)
    models = import_module(f"codegen.generated.{api}.models")
    for name, schema in document["components"]["schemas"].items():
        validator = compile_schema(api, point("components", "schemas", name))
        for seed in range(SEEDS):
            value = Instances(document, seed).make(schema)
            if validator.is_valid(value):
                assert getattr(models, name_class(name)).model_validate(value) is not None


Wrap = Callable[[Json], Json]


def sites(document: Json, schema: Json, wrap: Wrap) -> Iterator[tuple[Json, Wrap]]:
    """Every schema written inside a component, and what builds the component's value around a value for it."""
    yield schema, wrap
    for branch in schema.get("anyOf", []):
        yield from sites(document, branch, wrap)
    if "items" in schema:
        yield from sites(document, schema["items"], lambda value: wrap([value]))
    for name, part in schema.get("properties", {}).items():
        around = Instances(document, 0).make({**schema, "type": "object"})
        yield from sites(
            document, part, partial(lambda name, around, value: wrap({**around, name: value}), name, around)
        )


def component_sites(api: str) -> Iterator[tuple[str, Json, Wrap]]:
    document = read_served(api)
    for name, component in document["components"]["schemas"].items():
        for schema, wrap in sites(document, component, lambda value: value):
            yield name, schema, wrap


def accept(api: str, name: str, value: Json) -> None:
    assert compile_schema(api, point("components", "schemas", name)).is_valid(value), (name, value)
    models = import_module(f"codegen.generated.{api}.models")
    getattr(models, name_class(name)).model_validate(value)


def test_every_constant_of_a_union_is_accepted() -> None:
    """Generators of models are known to keep one constant of a union and to refuse the others."""
    met = set()
    for name, schema, wrap in component_sites("llama_stack_deprecated"):
        constants = [branch["const"] for branch in schema.get("anyOf", []) if "const" in branch]
        for constant in constants:
            accept("llama_stack_deprecated", name, wrap(constant))
        if len(constants) > 1:
            met.add(name)
    assert met >= {"OpenAIResponseText", "OpenAIResponseMessage", "OpenAIResponseInputToolMCP", "VectorStoreFileStatus"}


@pytest.mark.parametrize("api", APIS)
def test_a_tag_that_the_schema_leaves_optional_may_be_left_out(api: str) -> None:
    """The generator alone makes discriminated unions, which demand their tag."""
    document = read_served(api)
    tags = 0
    for name, schema, wrap in component_sites(api):
        tag = schema.get("discriminator", {}).get("propertyName")
        for member in [branch for branch in schema["anyOf"] if "$ref" in branch] if tag else []:
            value = Instances(document, 1).make(member)
            tags += 1
            accept(api, name, wrap(value))
            if tag not in resolve(document, member["$ref"]).get("required", []):
                value.pop(tag, None)
                accept(api, name, wrap(value))
    assert tags or api == "ipop"


def test_a_body_is_seen_as_its_type() -> None:
    body: Body[Any] = Body(
        {
            "messages": [{"role": "tool", "call_id": "1", "tool_name": "brave_search", "content": "x"}],
            "documents": None,
        },
        find_operation("llama_stack", "agent_turns_create").body[0].model,
    )
    assert body.view.messages[0].tool_name == "brave_search"
    assert body.view.documents is None

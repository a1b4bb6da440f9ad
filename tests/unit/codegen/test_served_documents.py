"""What the overlays make of the four documents."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from codegen.diff import compare
from codegen.generate import ROOT
from codegen.load import find_documents, load_document
from codegen.normalise import METHODS
from codegen.operation import Json
from codegen.pointer import resolve
from tests.unit.codegen.served import APIS, COUNTS, compile_schema, find_operation, read_operations, read_served

DOCUMENTS = ROOT / "specs" / "documents"
SLASHED = {
    "ipop": {"model_id", "key"},
    "llama_stack": {
        "model_id", "toolgroup_id", "tool_name", "identifier", "dataset_id",
        "scoring_fn_id", "eval_task_id", "task_id", "vector_db_id",
    },
    "llama_stack_deprecated": {"dataset_id", "benchmark_id"},
}  # fmt: skip


ADDED = {
    "llama_stack_deprecated": {("GET", "/v1/models"), ("GET", "/v1/tools")},
    "ipop": {
        ("GET", "/storage/s3"),
        *((method, "/storage/s3/{bucket}") for method in ("GET", "PUT", "DELETE", "HEAD", "POST")),
        ("POST", "/storage/s3/{bucket}/{key}"),
    },
}
"""What overlays add because published clients call it."""


@pytest.mark.parametrize("api", APIS)
def test_every_operation_of_the_document_is_named_once_and_has_a_module(api: str) -> None:
    document = load_document(find_documents(DOCUMENTS)[api])
    expected = {(m.upper(), path) for path, item in document["paths"].items() for m in item if m in METHODS}
    assert len(expected) == COUNTS[api]
    operations = read_operations(api)
    assert {(operation.method, operation.path) for operation in operations} == expected | ADDED.get(api, set())
    assert max(Counter(operation.operation_id for operation in operations).values()) == 1
    for operation in operations:
        assert operation.operation_id.isidentifier()
        assert not operation.derived
        assert operation.module.startswith(f"handlers.{api}.")


def test_there_are_355_operations() -> None:
    assert sum(COUNTS.values()) == 355


def test_the_document_keeps_the_names_that_it_gives() -> None:
    document = load_document(DOCUMENTS / "maniac.json")
    for operation in read_operations("maniac"):
        assert document["paths"][operation.path][operation.method.lower()]["operationId"] == operation.operation_id


@pytest.mark.parametrize("api", APIS)
def test_the_served_document_is_valid_openapi_3_1(api: str) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(read_served(api)).iter_errors()] == []


def objects(node: Json) -> list[dict[str, Any]]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node] if isinstance(node, dict) else []
    return own + [found for child in children for found in objects(child)]


@pytest.mark.parametrize("api", APIS)
def test_every_reference_and_every_pointer_of_the_table_resolves(api: str) -> None:
    document = read_served(api)
    for node in objects(document):
        if isinstance(node.get("$ref"), str):
            resolve(document, node["$ref"])
    for operation in read_operations(api):
        for parameter in operation.parameters:
            resolve(document, parameter.schema)
        for payload in [*operation.body, *(row for answer in operation.responses for row in answer.payloads)]:
            if payload.schema:
                resolve(document, payload.schema)


@pytest.mark.parametrize("api", APIS)
def test_the_served_document_says_null_the_3_1_way_and_nothing_about_the_server(api: str) -> None:
    document = read_served(api)
    assert not any(node.get("nullable") is True for node in objects(document))
    assert "handlers." not in json.dumps(document)


def test_null_beside_an_enum_is_allowed() -> None:
    validator = compile_schema("maniac", "#/components/schemas/ReasoningConfig")
    assert validator.is_valid({"effort": None})
    assert validator.is_valid({"effort": "low"})
    assert not validator.is_valid({"effort": "none of these"})


@pytest.mark.parametrize("api", APIS)
def test_every_scheme_that_an_operation_names_is_defined(api: str) -> None:
    schemes = read_served(api)["components"]["securitySchemes"]
    for operation in read_operations(api):
        assert {name for alternative in operation.security for name in alternative} <= set(schemes)


def test_ipop_takes_either_key_wherever_it_takes_one() -> None:
    either = {("ApiKey",), ("BearerApiKey",)}
    for operation in read_operations("ipop"):
        if set(operation.security) & either:
            signed = {("AwsSigV4",)} if operation.tag == "s3" else set()
            assert set(operation.security) == either | signed, operation.operation_id
    assert find_operation("ipop", "models_list").security == ()
    assert find_operation("ipop", "admin_inference_search").security == (("AdminToken",),)


def test_health_and_version_are_the_only_open_llama_stack_operations() -> None:
    opened = {operation.operation_id for operation in read_operations("llama_stack") if not operation.security}
    assert opened == {"health_get", "version_get"}
    assert all(operation.security for operation in read_operations("llama_stack_deprecated"))


@pytest.mark.parametrize("api", APIS)
def test_ids_that_hold_slashes_are_marked(api: str) -> None:
    for operation in read_operations(api):
        for parameter in operation.parameters:
            expected = parameter.location == "path" and parameter.name in SLASHED.get(api, set())
            assert parameter.crosses_slashes == expected, (operation.operation_id, parameter.name)


ERRORS = {
    "maniac": {"error": {"code": "not_found", "message": "no such thing", "details": None}},
    "ipop": {"error": "no such thing", "code": "bad_request", "request_id": "r", "retryable": False},
    "llama_stack": {"detail": "no such thing"},
    "llama_stack_deprecated": {"status": 404, "title": "Not Found", "detail": "no such thing"},
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", ["404", "413", "500", "501", "502"])
def test_every_operation_can_answer_an_error_in_the_shape_of_its_api(api: str, status: str) -> None:
    for operation in read_operations(api):
        answers = {answer.status: answer for answer in operation.responses}
        answer = answers.get(status) or answers.get(f"{status[0]}XX") or answers["default"]
        schema = next(row.schema for row in answer.payloads if row.media_type == "application/json")
        assert schema
        assert compile_schema(api, schema).is_valid(ERRORS[api]), operation.operation_id


def body_validator(api: str, operation_id: str) -> jsonschema_rs.Draft202012Validator:
    pointer = find_operation(api, operation_id).body[0].schema
    assert pointer
    return compile_schema(api, pointer)


USER = {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    ("api", "operation_id", "body"),
    [
        ("ipop", "chat_completions_create", {"model": "simulator/chat", "messages": [USER]}),
        ("ipop", "batches_create", {"input_file_id": "f", "endpoint": "/v1/chat/completions"}),
        ("llama_stack", "agent_turns_create", {"messages": [USER], "documents": None, "toolgroups": None}),
        (
            "llama_stack",
            "agent_turns_create",
            {"messages": [{"role": "ipython", "call_id": "1", "tool_name": "unknown", "content": ""}]},
        ),
        (
            "llama_stack",
            "agents_create",
            {
                "agent_config": {
                    "model": "m",
                    "instructions": "",
                    "enable_session_persistence": False,
                    "client_tools": [{"name": "t", "tool_prompt_format": "json"}],
                }
            },
        ),
        (
            "llama_stack",
            "chat_completions_create",
            {"model_id": "m", "messages": [{**USER, "context": None}], "tools": [{"tool_name": "brave_search"}]},
        ),
        (
            "llama_stack",
            "chat_completions_create",
            {
                "model_id": "m",
                "messages": [
                    {
                        "role": "assistant",
                        "content": "",
                        "stop_reason": "end_of_turn",
                        "tool_calls": [{"call_id": "1", "tool_name": "code_interpreter", "arguments": {"n": 1}}],
                    }
                ],
            },
        ),
        ("llama_stack_deprecated", "responses_create", {"model": "m", "input": "hello", "stream": True}),
        ("llama_stack_deprecated", "responses_create", {"limit": 3, "order": "asc"}),
        (
            "llama_stack_deprecated",
            "agents_create",
            {"agent_config": {"model": "m", "instructions": "", "sampling_params": {"max_tokens": 5}}},
        ),
    ],
)
def test_what_published_clients_send_is_allowed(api: str, operation_id: str, body: Json) -> None:
    assert [error.message for error in body_validator(api, operation_id).iter_errors(body)] == []


def test_the_ids_of_ipops_closed_model_lists_stay_as_examples() -> None:
    document = read_served("ipop")
    model = document["components"]["schemas"]["ChatCompletionRequest"]["properties"]["model"]
    assert sorted(model["examples"]) == sorted(document["x-public-model-ids"])
    (parameter, *_) = document["paths"]["/models/{model_id}"]["get"]["parameters"]
    assert sorted(parameter["schema"]["examples"]) == sorted(document["x-public-model-ids"])


@pytest.mark.parametrize(
    ("api", "operation_id"),
    [
        ("maniac", "chat_completions_create"),
        ("ipop", "chat_completions_create"),
        ("ipop", "responses_create"),
        ("llama_stack", "chat_completions_create"),
        ("llama_stack", "completions_create"),
        ("llama_stack", "agent_turns_create"),
        ("llama_stack_deprecated", "chat_completions_create"),
        ("llama_stack_deprecated", "completions_create"),
        ("llama_stack_deprecated", "responses_create"),
        ("llama_stack_deprecated", "agent_turns_create"),
    ],
)
def test_streaming_operations_answer_json_and_events(api: str, operation_id: str) -> None:
    answer = next(row for row in find_operation(api, operation_id).responses if row.status == "200")
    assert {row.media_type for row in answer.payloads} == {"application/json", "text/event-stream"}


@pytest.mark.parametrize(
    ("operation_id", "beside"), [("files_create", "application/octet-stream"), ("videos_create", "application/json")]
)
def test_ipop_uploads_come_as_forms_too(operation_id: str, beside: str) -> None:
    assert {row.media_type for row in find_operation("ipop", operation_id).body} == {"multipart/form-data", beside}


def test_the_excerpt_of_the_maniac_document_says_the_same() -> None:
    excerpt, whole = load_document(DOCUMENTS / "maniac-chat.json"), load_document(DOCUMENTS / "maniac.json")
    difference = compare(excerpt, whole)
    assert len(difference.added) == COUNTS["maniac"] - 4
    assert (difference.removed, difference.changes) == ((), ())

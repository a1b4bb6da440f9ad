"""The four served APIs as they are committed."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from urllib.parse import quote

import jsonschema_rs

from codegen.generate import ROOT
from codegen.operation import Json, Operation

COUNTS = {"maniac": 33, "ipop": 175, "llama_stack": 74, "llama_stack_deprecated": 73}
APIS = tuple(COUNTS)


@cache
def read_served(api: str) -> Json:
    return json.loads((ROOT / "codegen" / "generated" / api / "openapi.json").read_text())


def read_operations(api: str) -> tuple[Operation, ...]:
    operations: tuple[Operation, ...] = import_module(f"codegen.generated.{api}.routes").OPERATIONS
    return operations


def find_operation(api: str, operation_id: str) -> Operation:
    return next(operation for operation in read_operations(api) if operation.operation_id == operation_id)


@cache
def read_registry(api: str) -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([("urn:document", {**read_served(api), "$id": "urn:document"})])


@cache
def compile_schema(api: str, pointer: str) -> jsonschema_rs.Draft202012Validator:
    schema = {"$ref": "urn:document" + quote(pointer, safe="#/~")}
    return jsonschema_rs.Draft202012Validator(schema, registry=read_registry(api))

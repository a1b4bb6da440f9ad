"""Small documents for one question each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codegen.operation import Json


def make_document(paths: Json, schemas: Json | None = None, **further: Json) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas or {}},
        **further,
    }


def make_operation(operation_id: str | None = None, **further: Json) -> dict[str, Any]:
    named = {"operationId": operation_id} if operation_id else {}
    return {**named, "responses": {"200": {"description": "OK"}}, **further}


def make_body(schema: Json) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def make_answer(schema: Json) -> dict[str, Any]:
    return {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}}


def write_json(path: Path, value: Json) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path

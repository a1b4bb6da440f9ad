"""The first files of an API's handlers: a function for each operation, and how it says what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from codegen.operation import Operation, expected_parameters, signature

WIDTH = 120
MODULE = '''\
"""{tag}. Take `@unwritten` away from a function once it answers."""

from __future__ import annotations

{imports}from handlers.core.call import Call
from handlers.core.errors import NotImplementedYet
from handlers.wire.reply import Answer
from handlers.wire.unwritten import unwritten
'''
ERRORS = '''\
"""How {title} says what went wrong."""

from __future__ import annotations

from typing import Any

from handlers.core.errors import CoreError
from handlers.wire import fault, sse


def render(error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers, body."""
    content: dict[str, Any] = {content}
    return error.status, error.headers, content


def stream_error(error: CoreError, request_id: str) -> bytes:
    """The error body as the last event of a stream."""
    return sse.event(render(error, request_id)[2])
'''
MESSAGE = "fault.safe_message(error, request_id)"
WORDS: Mapping[tuple[str, str], str] = {
    ("code", "integer"): "error.status",
    ("code", "string"): "error.code",
    ("status", "integer"): "error.status",
    ("statusCode", "integer"): "error.status",
    ("type", "string"): "error.code",
    ("param", "string"): "error.param",
    **{(name, "string"): MESSAGE for name in ("message", "detail", "title", "error", "description", "reason", "msg")},
    **{(name, "string"): "request_id" for name in ("request_id", "requestId", "instance")},
}
"""What the properties of error shapes are called, and what we have to say there."""

ANYTHING: Mapping[str, str] = {
    "string": "error.code", "integer": "error.status", "number": "error.status", "boolean": "False", "array": "[]",
    "object": "{}",
}  # fmt: skip
USUAL = {"error": {"code": "error.code", "message": MESSAGE, "request_id": "request_id"}}


def write_modules(operations: Iterable[Operation]) -> dict[str, str]:
    """The text of each handler module, by its name."""
    by_module: dict[str, list[Operation]] = {}
    for operation in operations:
        by_module.setdefault(operation.module, []).append(operation)
    return {module: _write_module(found) for module, found in by_module.items()}


def _write_module(operations: list[Operation]) -> str:
    generated = operations[0].module.split(".")[1]
    names = sorted({name for op in operations for _, name in expected_parameters(op) if name != "Call"})
    tag = _one_line(operations[0].tag).rstrip(".") or "Operations"
    head = MODULE.format(tag=tag[:1].upper() + tag[1:], imports=_write_import(generated, names))
    return head + "".join(_write_function(operation) for operation in operations)


def _write_import(api: str, names: list[str]) -> str:
    if not names:
        return ""
    line = f"from codegen.generated.{api}.routes import {', '.join(names)}\n"
    if len(line) <= WIDTH:
        return line
    return f"from codegen.generated.{api}.routes import (\n{''.join(f'    {name},{chr(10)}' for name in names)})\n"


def _write_function(operation: Operation) -> str:
    head = f"{signature(operation)}:"
    if len(head) > WIDTH:
        opening, _, rest = head.partition("(")
        parameters, _, answer = rest.partition(")")
        if len(parameters) + 4 > WIDTH:
            parameters = parameters.replace(", ", ",\n    ") + ","
        head = f"{opening}(\n    {parameters}\n){answer}"
    return (
        f"\n\n@unwritten\n{head}\n"
        f'    """{_one_line(f"{operation.method} {operation.path}")}."""\n'
        '    raise NotImplementedYet("this is not implemented yet")\n'
    )


def _one_line(text: str) -> str:
    """Words that fit in a docstring."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())[:80]


def write_errors(title: str, document: dict[str, Any]) -> str:
    """In the shape that the document gives its errors, as far as its properties are known by their names."""
    schema = _find_error(document)
    shape = _shape(document, schema) if schema else {}
    return ERRORS.format(title=_one_line(title), content=_write_shape(shape or USUAL))


def _find_error(document: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the first error that is an object."""
    for item in document["paths"].values():
        for operation in item.values():
            responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
            for status in sorted(responses):
                content = _follow(document, responses[status]).get("content", {}).get("application/json", {})
                schema = _follow(document, content.get("schema", {}))
                if status[0] in "45d" and schema.get("properties"):
                    return schema
    return None


def _follow(document: dict[str, Any], node: Any) -> dict[str, Any]:
    while isinstance(node, dict) and "$ref" in node:
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        node = target
    return node if isinstance(node, dict) else {}


def _shape(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for name, written in schema.get("properties", {}).items():
        inner = _follow(document, written)
        kind = inner.get("type")
        kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else str(kind)
        if kind == "object" and inner.get("properties"):
            shape[name] = _shape(document, inner)
        elif (name, kind) in WORDS:
            shape[name] = WORDS[name, kind]
        elif name in schema.get("required", []):
            shape[name] = ANYTHING.get(kind, "error.code")
    return shape


def _write_shape(shape: dict[str, Any]) -> str:
    parts = ", ".join(
        f"{_quoted(name)}: {_write_shape(value) if isinstance(value, dict) else value}" for name, value in shape.items()
    )
    return f"{{{parts}}}"


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'

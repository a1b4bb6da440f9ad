"""Brings an overlaid document into the one form that the later steps read.

Every operation has a unique `operationId`, its path item's parameters, and its parameters resolved in place. What the
document forgot is derived: an id from method and path, or from one that is no name in Python, a handler module from tag
or path, a parameter for a template variable. `x-handler-module` is taken out, so that the served document does not tell
how the server is built.

Schemas are rewritten in three ways, which are deviations from the document just as the overlay's actions are: inline
`$defs` move to the components, `oneOf` becomes `anyOf`, and with `x-optional-takes-null` optional properties of bodies
take null (see `codegen.schema`).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from codegen.load import DocumentError
from codegen.operation import Json
from codegen.pointer import resolve
from codegen.schema import allow_nulls, hoist_definitions, references, widen_unions

USABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What a function may be called, and so an operation."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class Source:
    """One operation of a normalised document: `node` is its object there, `method` is lower case."""

    path: str
    method: str
    node: dict[str, Any]
    module: str
    tag: str
    derived: bool

    @property
    def operation_id(self) -> str:
        return str(self.node["operationId"])


def normalise(
    api: str, document: dict[str, Any], *, is_named: bool = True
) -> tuple[dict[str, Any], tuple[Source, ...]]:
    """Raises `DocumentError` for duplicate parameters and references that lead nowhere, and for duplicate operation ids
    unless an overlay is still to name the operations."""
    if not str(document.get("openapi", "")).startswith("3."):
        raise DocumentError("not an OpenAPI 3 document")
    if not isinstance(document.get("paths"), dict):
        raise DocumentError("the document has no paths")
    result = deepcopy(document)
    hoist_definitions(result)
    widen_unions(result)
    if result.pop("x-optional-takes-null", False):
        allow_nulls(result)
    for pointer in references(result):
        resolve(result, pointer)
    sources = tuple(_normalise_operation(api, result, *found) for found in _operations(result))
    for item in result["paths"].values():
        item.pop("parameters", None)
    seen: dict[str, Source] = {}
    for source in sources if is_named else ():
        other = seen.setdefault(source.operation_id, source)
        if other is not source:
            raise DocumentError(
                f"{source.operation_id} names both {other.method.upper()} {other.path} "
                f"and {source.method.upper()} {source.path}"
            )
    return result, sources


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method


def _normalise_operation(api: str, document: dict[str, Any], path: str, method: str) -> Source:
    node = document["paths"][path][method]
    where = f"{method.upper()} {path}"
    node["parameters"] = _merge_parameters(document, document["paths"][path], node, where)
    node["parameters"] += [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _template_variables(path)
        if not any(p["in"] == "path" and p["name"] == name for p in node["parameters"])
    ]
    given = str(node.get("operationId", ""))
    derived = not USABLE.fullmatch(given) or keyword.iskeyword(given)
    if derived:
        spoken = re.search(r"[A-Za-z0-9]", given)
        node["operationId"] = identifier(given) if spoken else derive_name(method, path)
    tags = node.get("tags") or []
    noun = identifier(tags[0] if tags else next(iter(words(path)), "root"))
    module = node.pop("x-handler-module", None) or f"handlers.{api}.{noun}"
    tag = tags[0] if tags else module.rpartition(".")[2]
    return Source(path, method, node, module, tag, derived)


def _merge_parameters(document: Json, item: Json, node: Json, where: str) -> list[dict[str, Any]]:
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for level in (item.get("parameters", []), node.get("parameters", [])):
        names = set()
        for entry in level:
            parameter = deepcopy(resolve(document, entry["$ref"]) if "$ref" in entry else entry)
            key = (parameter["in"], parameter["name"])
            if key in names:
                raise DocumentError(f"{where} has the {key[0]} parameter {key[1]} twice")
            names.add(key)
            merged[key] = parameter
            if key[0] == "path":
                parameter["required"] = True
    return list(merged.values())


def derive_name(method: str, path: str) -> str:
    """`get_v1_things_by_id` for `GET /v1/things/{id}`: stable, because it depends on nothing else."""
    parts = [f"by_{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    return identifier("_".join([method, *parts]))


def _template_variables(path: str) -> list[str]:
    return re.findall(r"\{([^}]+)\}", path)


def words(path: str) -> Iterator[str]:
    for part in path.strip("/").split("/"):
        if part and not part.startswith("{") and not re.fullmatch(r"v\d\w*", part):
            yield part


def identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "root"
    name = f"n{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) else name

"""An OpenAPI 3.0 document in the words of 3.1, which the rest of the way speaks.

What differs is how schemas say null, exclusive bounds and examples, and what may stand beside a reference: nothing.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from codegen.schema import nullable, roots, subschemas

BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def is_old(document: dict[str, Any]) -> bool:
    return str(document.get("openapi", "")).startswith("3.0")


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """A new document; one that is not of 3.0 as it is."""
    if not is_old(document) or not isinstance(document.get("paths"), dict):
        return document
    result = deepcopy(document)
    result["openapi"] = "3.1.0"
    for node in [node for root in roots(result) for node in subschemas(root)]:
        _upgrade_schema(node)
    return result


def _upgrade_schema(node: dict[str, Any]) -> None:
    if "$ref" in node:
        for name in [name for name in node if name != "$ref"]:
            del node[name]
        return
    for exclusive, bound in BOUNDS:
        said = node.get(exclusive)
        if isinstance(said, bool):
            del node[exclusive]
            if said and bound in node:
                node[exclusive] = node.pop(bound)
    if "example" in node:
        node.setdefault("examples", [node.pop("example")])
    if node.pop("nullable", False) is True:
        wider = nullable({**node, "enum": [*node["enum"], None]} if "enum" in node else node)
        node.clear()
        node.update(wider)

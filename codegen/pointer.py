"""JSON pointers (RFC 6901) in the `#/...` form that references use."""

from __future__ import annotations

from codegen.load import DocumentError
from codegen.operation import Json


def point(*steps: str | int) -> str:
    """`point("paths", "/kv", "get")` is `#/paths/~1kv/get`."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def resolve(document: Json, pointer: str) -> Json:
    """What a local pointer leads to. Raises `DocumentError` when it is not local or leads nowhere."""
    if not pointer.startswith("#/"):
        raise DocumentError(f"{pointer} is not a pointer into this document")
    node = document
    for step in pointer[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise DocumentError(f"{pointer} leads nowhere") from error
    return node

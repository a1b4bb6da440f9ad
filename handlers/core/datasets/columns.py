"""A dataset's columns and what may stand in them.

Source: llama-stack.yaml: ParamType.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from handlers.core.errors import Invalid

Columns = Mapping[str, Mapping[str, Any]]
"""By name; each says its `type`."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "chat_completion_input": lambda value: isinstance(value, str | list),
    "completion_input": lambda value: isinstance(value, str | list | dict),
}
"""The other types (`json`, `union`, `agent_turn_input`) take anything."""
_AS_JSON = frozenset({"array", "object", "json", "union"})


def check(rows: Sequence[Any], columns: Columns, first: int = 0) -> None:
    """A null stands for what is not known; columns that are not named may be there. `first` is the first row's number.
    Raises `Invalid` at the first fault."""
    for number, row in enumerate(rows, first):
        for name, column in columns.items():
            if name not in row:
                raise _fault(number, name, "is missing")
            fits = _FITS.get(column["type"])
            if fits is not None and row[name] is not None and not fits(row[name]):
                raise _fault(number, name, f"is no {column['type']}")


def typed(row: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """A row whose values are texts, as its columns would have them; what does not fit stays a text."""
    return {name: _typed(value, columns[name]["type"]) if name in columns else value for name, value in row.items()}


def _typed(value: Any, wanted: str) -> Any:
    if not isinstance(value, str):
        return value
    if wanted == "boolean":
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    if wanted != "number" and wanted not in _AS_JSON:
        return value
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    return read if wanted != "number" or _is_number(read) else value


def _fault(number: int, name: str, message: str) -> Invalid:
    return Invalid(f"row {number}: {name} {message}", code="row_does_not_fit", param="dataset_schema")

"""Applies an overlay (OpenAPI Overlay 1.0) to a document."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import jsonpath_rfc9535
from jsonpath_rfc9535 import JSONPathError

from codegen.load import DocumentError
from codegen.operation import Json
from codegen.pointer import point


@dataclass(frozen=True, slots=True)
class Touched:
    """What one action did: `pointers` lead to what it added, replaced or removed."""

    target: str
    reason: str
    pointers: frozenset[str]


def apply_overlay(document: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """A new document. Raises `DocumentError` naming the first action that is malformed or matches nothing."""
    return trace_overlay(document, overlay)[0]


def trace_overlay(document: dict[str, Any], overlay: dict[str, Any]) -> tuple[dict[str, Any], tuple[Touched, ...]]:
    """As `apply_overlay`, with what each action has touched."""
    if not str(overlay.get("overlay", "")).startswith("1.0"):
        raise DocumentError("an overlay says `overlay: 1.0.0`")
    result = deepcopy(document)
    touched = []
    for number, action in enumerate(overlay.get("actions", []), 1):
        pointers = _apply_action(result, action, f"action {number} ({action.get('target')})")
        touched.append(Touched(str(action["target"]).strip(), str(action["description"]).strip(), pointers))
    return result, tuple(touched)


def _apply_action(document: dict[str, Any], action: dict[str, Any], name: str) -> frozenset[str]:
    if not action.get("description"):
        raise DocumentError(f"{name} gives no reason: it has no description")
    try:
        nodes = list(jsonpath_rfc9535.find(action["target"], document))
    except (KeyError, JSONPathError) as error:
        raise DocumentError(f"{name} has no usable target: {error}") from error
    if not nodes:
        raise DocumentError(f"{name} matches nothing")
    if action.get("remove"):
        for node in reversed(nodes):
            _remove(document, node.location)
        return frozenset(point(*node.location) for node in nodes)
    update = action.get("update")
    pointers = {pointer for node in nodes for pointer in _changed(node.location, node.value, update)}
    for node in nodes:
        _update(node.value, update, name)
    return frozenset(pointers)


def _changed(location: tuple[str | int, ...], target: Json, update: Json) -> Iterator[str]:
    """Where an update changes its target: as deep as both are objects."""
    if isinstance(target, list):
        yield point(*location, len(target))
    elif isinstance(target, dict) and isinstance(update, dict):
        for key, value in update.items():
            if key in target and isinstance(target[key], dict) and isinstance(value, dict):
                yield from _changed((*location, key), target[key], value)
            else:
                yield point(*location, key)


def _remove(document: Json, location: tuple[str | int, ...]) -> None:
    if not location:
        raise DocumentError("the whole document cannot be removed")
    for step in location[:-1]:
        document = document[step]
    del document[location[-1]]


def _update(target: Json, update: Json, name: str) -> None:
    if isinstance(target, list):
        target.append(deepcopy(update))
    elif isinstance(target, dict) and isinstance(update, dict):
        _merge(target, update)
    else:
        raise DocumentError(f"{name} cannot update a {type(target).__name__} with a {type(update).__name__}")


def _merge(target: dict[str, Any], update: dict[str, Any]) -> None:
    """Objects merge, arrays grow by what the update holds, anything else is replaced."""
    for key, value in update.items():
        present = target.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            present.extend(deepcopy(value))
        else:
            target[key] = deepcopy(value)

"""Applies an overlay (OpenAPI Overlay 1.0) to a document."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpath_rfc9535
from jsonpath_rfc9535 import JSONPathError

from codegen.load import DocumentError
from codegen.operation import Json


def apply_overlay(document: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """A new document. Raises `DocumentError` naming the first action that is malformed or matches nothing."""
    if not str(overlay.get("overlay", "")).startswith("1.0"):
        raise DocumentError("an overlay says `overlay: 1.0.0`")
    result = deepcopy(document)
    for number, action in enumerate(overlay.get("actions", []), 1):
        _apply_action(result, action, f"action {number} ({action.get('target')})")
    return result


def _apply_action(document: dict[str, Any], action: dict[str, Any], name: str) -> None:
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
        return
    for node in nodes:
        _update(node.value, action.get("update"), name)


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

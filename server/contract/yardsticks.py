"""The documents of one API as they stand in this checkout."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from codegen.load import find_documents, load_document
from codegen.overlay import trace_overlay
from server.contract.deviations import Yardsticks
from server.inspect import GENERATED, ROOT

SPECS = ROOT / "specs"


def served_document(api: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((GENERATED / api / "openapi.json").read_bytes())
    return document


@cache
def load(api: str) -> Yardsticks:
    """Raises `DocumentError` when a document or its overlay cannot be read."""
    pristine = load_document(find_documents(SPECS / "documents")[api])
    overlay = SPECS / "overlays" / f"{api}.yaml"
    actions = load_document(overlay) if overlay.is_file() else {"overlay": "1.0.0"}
    overlaid, touched = trace_overlay(pristine, actions)
    return Yardsticks(served_document(api), pristine, overlaid, touched)

"""Chunks as this API has them: interleaved content, and whatever their maker says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.core.retrieval.searching import Hit

PLACES = ("page", "slide", "sheet")


def metadata_of(hit: Hit) -> dict[str, Any]:
    """What it was put in with; of a chunk of a file, what is known of the file and of where in it that is."""
    if hit.file is None:
        return dict((hit.chunk.extra or {}).get("metadata") or {})
    return {**hit.file.attributes, "document_id": hit.file.file_id, "filename": hit.file.filename, **place_of(hit)}


def content_of(hit: Hit) -> Any:
    """As it was put in."""
    return (hit.chunk.extra or {}).get("content") or hit.chunk.text


def place_of(hit: Hit) -> dict[str, Any]:
    return {name: value for name in PLACES if (value := getattr(hit.chunk, name)) is not None}


def render(hit: Hit) -> Mapping[str, Any]:
    return {"content": content_of(hit), "metadata": metadata_of(hit)}

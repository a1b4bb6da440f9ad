"""Datasets as both Llama Stack APIs show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from handlers.core.call import Call
from handlers.core.datasets import Dataset, Window
from handlers.core.errors import Invalid
from handlers.wire.reply import Reply

PROVIDER = "concordat"
_ALL = -1


def window(start: int | None, limit: int | None, names: tuple[str, str]) -> Window:
    """A limit of -1 is all. `names` are what the dialect calls the two. Raises `Invalid`."""
    if start is not None and start < 0:
        raise Invalid(f"{names[0]} must not be negative", param=names[0])
    if limit is not None and limit < _ALL:
        raise Invalid(f"{names[1]} must be at least 0, or -1 for all", param=names[1])
    return Window(start or 0, None if limit == _ALL else limit)


def page(name: str, rows: Sequence[str], more: dict[str, Any]) -> Reply:
    """An object with the rows under `name`, which are JSON already, and other members."""
    joined = f"[{','.join(rows)}]".encode()
    return Reply(b'{"%s":%s,%s' % (name.encode(), joined, orjson.dumps(more)[1:]))


def common(dataset: Dataset) -> dict[str, Any]:
    about = dataset.about
    return {
        "identifier": dataset.id,
        "provider_id": about.get("provider_id") or PROVIDER,
        "provider_resource_id": about.get("provider_resource_id") or dataset.id,
        "type": "dataset",
        "metadata": about.get("metadata") or {},
    }


def address(dataset: Dataset, path: str, call: Call) -> str:
    """Where it came from, or for what came otherwise where its rows are read: below the API's own `path`."""
    uri: str | None = dataset.about.get("uri")
    return uri or call.services.base_paths.get(call.api, "") + path

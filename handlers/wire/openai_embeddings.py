"""OpenAI's embeddings, which two of the four APIs speak."""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from handlers.core.embeddings import EmbedAsk, Embedded
from handlers.core.errors import Invalid

_OURS = frozenset({"model", "input", "dimensions", "encoding_format"})
MOST_DIMENSIONS = 2**31
_FORMATS = ("float", "base64")


def ask_of(data: Mapping[str, Any], leave_out: Iterable[str] = ()) -> EmbedAsk:
    """Raises `Invalid` for an `encoding_format` that is none, where the document leaves it open."""
    wanted = data.get("encoding_format")
    if wanted is not None and wanted not in _FORMATS:
        raise Invalid("encoding_format must be float or base64", param="encoding_format")
    given, dimensions = data["input"], data.get("dimensions")
    skipped = _OURS.union(leave_out)
    return EmbedAsk(
        model=data["model"],
        texts=(given,) if isinstance(given, str) else tuple(given),
        dimensions=None if dimensions is None else int(min(dimensions, MOST_DIMENSIONS)),
        options={name: value for name, value in data.items() if name not in skipped and value is not None},
    )


def data_of(embedded: Embedded, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`data` is the request's body: base64 is of little-endian single-precision numbers, floats are the same ones."""
    encode = _base64 if data.get("encoding_format") == "base64" else list
    return [
        {"object": "embedding", "index": index, "embedding": encode(vector)}
        for index, vector in enumerate(embedded.vectors)
    ]


def _base64(vector: array[float]) -> str:
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return b64encode(vector.tobytes()).decode()

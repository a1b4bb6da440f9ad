"""Any server that speaks OpenAI's embeddings API: OpenAI, Mistral, vLLM, Ollama, text-embeddings-inference, ..."""

from __future__ import annotations

import sys
import time
from array import array
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from providers import tokens
from providers.embeddings.interface import Embeddings, EmbeddingsRequest, Vector
from providers.errors import Refused
from providers.http import HttpClient
from providers.vendor import Vendor, bearer
from providers.vendor_api import VendorApi

Json = dict[str, Any]

MOST_TOKENS = 2**31


@dataclass(slots=True)
class OpenAICompatible:
    """`http` may be shared and is not closed here."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time
    _api: VendorApi = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._api = VendorApi(self.vendor, self.http, bearer(self.vendor), self.clock)

    @property
    def name(self) -> str:
        return self.vendor.name

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        """A server that ignores `dimensions` has refused them: whether a part of a vector means anything is its to
        know."""
        api = self._api
        asked: Json = {**request.options, "model": request.model, "input": list(request.texts)}
        if request.dimensions is not None:
            asked["dimensions"] = request.dimensions
        body = await api.post("/embeddings", {**asked, "encoding_format": "float"})
        vectors = _vectors(body, len(request.texts), api)
        if request.dimensions is not None and any(len(vector) != request.dimensions for vector in vectors):
            message = f"{self.name}: {request.model} does not have {request.dimensions} dimensions"
            raise Refused(message, param="dimensions", code="dimensions_not_supported")
        return Embeddings(vectors, _tokens_of(body.get("usage")))

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        return sum([await tokens.count_text(text) for text in texts])

    async def close(self) -> None:
        """The connections are the owner's of `http`."""


def _vectors(body: Json, texts: int, api: VendorApi) -> list[Vector]:
    """In the order of the texts, which `index` tells where it is there; some servers answer base64 uninvited."""
    data = body.get("data")
    if not isinstance(data, list) or len(data) != texts or not all(isinstance(entry, dict) for entry in data):
        raise api.broken("another number of vectors than there are texts")
    found: dict[int, Vector] = {}
    for number, entry in enumerate(data):
        index = entry.get("index", number)
        if not isinstance(index, int) or index in found or not 0 <= index < texts:
            raise api.broken("vectors that do not say which text they belong to")
        found[index] = _vector(entry.get("embedding"), api)
    if len({len(vector) for vector in found.values()}) != 1:
        raise api.broken("vectors of several lengths")
    return [found[number] for number in range(texts)]


def _vector(value: Any, api: VendorApi) -> Vector:
    vector: Vector = array("f")
    try:
        if isinstance(value, str):
            vector.frombytes(b64decode(value, validate=True))
            if sys.byteorder == "big":
                vector.byteswap()
        else:
            vector.extend(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise api.broken("a vector that is none") from error
    if not vector or not isfinite(sum(vector)):
        raise api.broken("a vector that is none")
    return vector


def _tokens_of(usage: Any) -> int | None:
    """None, too, for a number that cannot be: then they are counted here."""
    value = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else None

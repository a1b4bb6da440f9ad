"""What the core asks of anything that turns texts into vectors."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Vector: TypeAlias = "array[float]"
"""Single-precision numbers (`array("f")`), of unit length from every model in common use."""


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """`model` is the vendor's name for the model. `truncate` lets the embedded model read the beginning of a text that
    is too long for it; other vendors do as they do. `options` holds every other parameter under its own name."""

    model: str
    texts: Sequence[str]
    dimensions: int | None = None
    truncate: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector a text, in the order of the texts. `prompt_tokens` is None where the vendor does not tell."""

    vectors: Sequence[Vector]
    prompt_tokens: int | None


class Embedder(Protocol):
    """One vendor. Raises only `providers.errors.ProviderError`; a text that is too long is `Refused` with the code
    `context_length_exceeded` where we are the ones to know, and so is a number of dimensions that a model does not
    have, with `dimensions_not_supported`."""

    @property
    def name(self) -> str: ...

    async def embed(self, request: EmbeddingsRequest) -> Embeddings: ...

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        """What embedding the texts will be charged as: exact, or as near as can be told."""
        ...

    async def close(self) -> None: ...

"""Which models there are, what they can do, what they cost and who serves them.

A `Catalog` is an immutable value; the operator's file is read into a new one, which replaces the old in the
`CatalogHolder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

Kind = Literal["chat", "embedding"]
Capability = Literal[
    "chat",
    "completion",
    "tools",
    "parallel_tools",
    "json_schema",
    "vision",
    "reasoning",
    "streaming",
    "code",
    "embeddings",
    "grammar",
]


@dataclass(frozen=True, slots=True)
class Price:
    """Rates in USD per million tokens. A `long` card applies from `threshold_tokens` prompt tokens on. Without a rate
    of their own, tokens read from a cache or written to one cost what input does, and reasoning what output does."""

    vendor: str
    input_usd: Decimal
    output_usd: Decimal
    cached_input_usd: Decimal | None = None
    context_band: Literal["short", "long"] = "short"
    threshold_tokens: int | None = None
    service_tier: Literal["standard", "priority", "batch", "flex"] = "standard"
    cache_write_usd: Decimal | None = None
    reasoning_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place that serves a model: a vendor row's name and the vendor's own name for the model."""

    vendor: str
    model: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Model:
    """`created` is unix seconds; `context_tokens` bounds prompt and answer together."""

    id: str
    display_name: str
    owned_by: str
    kind: Kind
    capabilities: frozenset[Capability]
    context_tokens: int
    max_output_tokens: int
    created: int
    prices: tuple[Price, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    embedding_dimensions: int | None = None
    latency_class: Literal["low", "standard", "deep"] = "standard"
    tier: Literal["recommended", "tier_1", "tier_2", "catalog"] = "catalog"
    recommended_for: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)


class Catalog:
    """Models in the operator's order. `find` takes `/` and `:` in an id for the same."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models: Mapping[str, Model] = MappingProxyType({model.id: model for model in models})
        self._folded = {fold(model_id): model for model_id, model in self.models.items()}

    def find(self, model_id: str) -> Model | None:
        return self.models.get(model_id) or self._folded.get(fold(model_id))


def fold(model_id: str) -> str:
    return model_id.replace(":", "/")


class CatalogHolder:
    """The catalog in force; the only mutable thing about it."""

    def __init__(self, catalog: Catalog) -> None:
        self.current = catalog

"""A model as Llama Stack's own APIs show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handlers.core.models import Offer

EMBEDDING_DIMENSION = 384
"""What an embedding model has where nobody says otherwise."""

MODEL_TYPES = {"chat": "llm", "embedding": "embedding"}


def render_list(offers: Iterable[Offer]) -> dict[str, Any]:
    """What can be used now, and whatever the project registered itself."""
    return {"data": [render(offer) for offer in offers if offer.available or offer.registered]}


def render(offer: Offer) -> dict[str, Any]:
    """A registered model shows the provider it was registered with, others the one that answers now."""
    model = offer.model
    metadata = dict(offer.metadata)
    if model.context_tokens:
        metadata.setdefault("context_length", model.context_tokens)
    if model.kind == "embedding":
        metadata.setdefault("embedding_dimension", model.embedding_dimensions or EMBEDDING_DIMENSION)
    return {
        "identifier": model.id,
        "provider_resource_id": model.deployments[0].model if offer.registered else offer.provider_model,
        "provider_id": model.deployments[0].vendor if offer.registered else offer.provider,
        "type": "model",
        "metadata": metadata,
        "model_type": MODEL_TYPES[model.kind],
    }

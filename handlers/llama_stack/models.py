from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import ModelsGetParams, ModelsRegisterBody, ModelsUnregisterParams
from handlers.core.call import Call
from handlers.core.models import Offer, Wish, find_model, list_models, may_use, register_model, unregister_model

EMBEDDING_DIMENSION = 384
"""What an embedding model has where nobody says otherwise."""

_KINDS = {"llm": "chat", "embedding": "embedding"}
_MODEL_TYPES = {kind: model_type for model_type, kind in _KINDS.items()}


async def models_list(call: Call) -> dict[str, Any]:
    """What can be used now, and whatever the project registered itself."""
    return {"data": [_render(offer) for offer in await list_models(call) if offer.available or offer.registered]}


async def models_get(params: ModelsGetParams, call: Call) -> dict[str, Any] | None:
    """None, as the document allows, for a model that is not there."""
    offer = await find_model(params.model_id, call)
    return _render(offer) if offer and may_use(offer.model.id, call) else None


async def models_register(body: ModelsRegisterBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    wish = Wish(
        model_id=data["model_id"],
        provider_id=data.get("provider_id"),
        provider_model_id=data.get("provider_model_id"),
        kind=_kind(data.get("model_type")),
        metadata=data.get("metadata") or {},
    )
    return _render(await register_model(wish, call))


async def models_unregister(params: ModelsUnregisterParams, call: Call) -> None:
    await unregister_model(params.model_id, call)


def _kind(model_type: str | None) -> Any:
    return _KINDS[model_type] if model_type else None


def _render(offer: Offer) -> dict[str, Any]:
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
        "model_type": _MODEL_TYPES[model.kind],
    }

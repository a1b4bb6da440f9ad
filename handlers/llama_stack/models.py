from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import ModelsGetParams, ModelsRegisterBody, ModelsUnregisterParams
from handlers.core.call import Call
from handlers.core.models import Wish, find_list, find_model, may_use, register_model, unregister_model
from handlers.wire import llama_model
from handlers.wire.reply import Reply

_KINDS = {"llm": "chat", "embedding": "embedding"}


async def models_list(call: Call) -> Reply:
    return Reply((await find_list(call)).show("llama", llama_model.render_list))


async def models_get(params: ModelsGetParams, call: Call) -> dict[str, Any] | None:
    """None, as the document allows, for a model that is not there."""
    offer = await find_model(params.model_id, call)
    return llama_model.render(offer) if offer and may_use(offer.served.id, call) else None


async def models_register(body: ModelsRegisterBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    wish = Wish(
        model_id=data["model_id"],
        provider_id=data.get("provider_id"),
        provider_model_id=data.get("provider_model_id"),
        kind=_kind(data.get("model_type")),
        metadata=data.get("metadata") or {},
    )
    return llama_model.render(await register_model(wish, call))


async def models_unregister(params: ModelsUnregisterParams, call: Call) -> None:
    await unregister_model(params.model_id, call)


def _kind(model_type: str | None) -> Any:
    return _KINDS[model_type] if model_type else None

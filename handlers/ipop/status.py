from __future__ import annotations

import re
import shlex
from typing import Any

import orjson

from codegen.generated.ipop.routes import ReadyGetParams, StatusGetParams
from handlers.core.call import Call
from handlers.core.models import Offer
from handlers.core.services import Services
from handlers.core.status import Status, read_status
from handlers.ipop.models import status_of, supports, usable

_HEALTH_CHECK = 'curl -sS "$IPOP_BASE_URL/ready"'
_CHAT_CHECK = (
    'curl -sS "$IPOP_BASE_URL/chat/completions" -H "Authorization: Bearer $IPOP_API_KEY" '
    "-H 'Content-Type: application/json' -d "
)
_CHAT_BODY = '{"model": %s, "messages": [{"role": "user", "content": "Say hello"}]}'
_HOST = re.compile(r"(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?", re.ASCII)
"""What may stand in a line that is copied into a shell; a `Host` header can say anything."""


async def status_get(params: StatusGetParams, call: Call) -> dict[str, Any]:
    """`degraded` when some models of the catalog cannot answer, now or at all, or storage does not. A model is
    `degraded` while the breaker of one of its deployments is not closed."""
    status = await read_status(call)
    shown = usable(list(status.offers), params.include_unavailable, params.ready)
    return {
        "object": "ipop.status",
        "status": _overall(status, call.services),
        "generated_at_unix": int(status.at),
        "models": [_render(offer, call.services) for offer in shown],
    }


async def ready_get(params: ReadyGetParams, call: Call) -> dict[str, Any]:
    """Ready is who can answer a first chat now; the recommended model comes first in the catalog's own order."""
    status = await read_status(call)
    chatting = [offer for offer in status.offers if offer.available and "chat" in offer.model.capabilities]
    chatting.sort(key=lambda offer: offer.model.tier != "recommended")
    recommended = chatting[0].model.id if chatting else None
    content = {
        "object": "ipop.ready",
        "ready": status.ready and bool(chatting),
        "generated_at_unix": int(status.at),
        "models": [_ready_model(o) for o in usable(list(status.offers), params.include_unavailable, params.ready)],
        "setup": _setup(recommended, call),
    }
    return content | ({"recommended_model_id": recommended} if recommended else {})


def _overall(status: Status, services: Services) -> str:
    available = [offer.available for offer in status.offers]
    if not any(available):
        return "not_enabled"
    well = status.ready and all(available) and not any(_is_failing(offer, services) for offer in status.offers)
    return "available" if well else "degraded"


def _is_failing(offer: Offer, services: Services) -> bool:
    return any(services.breakers.state(place) != "closed" for place in offer.deployments)


def _render(offer: Offer, services: Services) -> dict[str, Any]:
    return {
        "id": offer.model.id,
        "display_name": offer.model.display_name,
        "available": offer.available,
        "status": "degraded" if _is_failing(offer, services) else status_of(offer),
        "catalog_tier": offer.model.tier,
        "latency_class": offer.model.latency_class,
        **supports(offer),
    }


def _ready_model(offer: Offer) -> dict[str, Any]:
    flags = supports(offer)
    return {
        "id": offer.model.id,
        "display_name": offer.model.display_name,
        "ready": offer.available,
        "status": status_of(offer),
        "supports_chat": flags["supports_chat"],
        "supports_embeddings": flags["supports_embeddings"],
    }


def _setup(model_id: str | None, call: Call) -> dict[str, str]:
    """Shell lines to copy; the address is the one that the caller used."""
    host = call.headers.get("host", "")
    address = host if _HOST.fullmatch(host) else "localhost"
    base_url = f"{call.scheme}://{address}{call.services.base_paths[call.api]}"
    body = _CHAT_BODY % orjson.dumps(model_id or "<model id>").decode()
    return {
        "env": f"export IPOP_BASE_URL={base_url} IPOP_API_KEY=<your key>",
        "health_check": _HEALTH_CHECK,
        "chat_check": _CHAT_CHECK + shlex.quote(body),
    }

from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.core.status import list_providers, require_ready

_SERVED_BY_PROVIDERS = ("/v1/inference/", "/v1/models")


async def health_get(call: Call) -> dict[str, Any]:
    await require_ready(call.services)
    return {"status": "OK"}


async def version_get(call: Call) -> dict[str, Any]:
    return {"version": call.services.version}


async def providers_list(call: Call) -> dict[str, Any]:
    providers = list_providers(call.services)
    return {"data": [{"api": p.api, "provider_id": p.name, "provider_type": p.kind} for p in providers]}


async def routes_list(call: Call) -> dict[str, Any]:
    """The operations that have a handler; what runs in no provider names none."""
    kinds = sorted({provider.kind for provider in list_providers(call.services)})
    data = [
        {
            "route": route.path,
            "method": route.method,
            "provider_types": kinds if route.path.startswith(_SERVED_BY_PROVIDERS) else [],
        }
        for route in call.services.routes[call.api]
        if route.bound
    ]
    return {"data": data}

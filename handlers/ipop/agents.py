from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.core.models import list_agent_models
from handlers.ipop.address import base_url
from handlers.ipop.client_config import FORMATS, fingerprint

SCHEMA_VERSION = 1
_PROFILES = {
    "chat_completions_create": "openai_chat_completions",
    "responses_create": "openai_responses",
    "embeddings_create": "openai_embeddings",
}
"""What clients of OpenAI's APIs may expect, by the operation that answers them."""
_URLS = {
    "models": "models_list",
    "chat_completions": "chat_completions_create",
    "responses": "responses_create",
    "ready": "ready_get",
    "agent_turns": "agent_turns_create",
    "agent_tool_batches_plan": "agent_tool_batches_plan",
}


async def agent_capabilities_get(call: Call) -> dict[str, Any]:
    """Says only what this server has: operations without a handler are not in it."""
    address = base_url(call)
    bound = {route.operation_id: route.path for route in call.services.routes.get(call.api, ()) if route.bound}
    offers = await list_agent_models(call)
    capabilities: dict[str, Any] = {
        "model_ids": [offer.model.id for offer in offers],
        "urls": {"base": address} | {name: address + bound[op] for name, op in _URLS.items() if op in bound},
        "streaming": {"supported": True, "protocol": "sse", "done_sentinel": "[DONE]", "usage": True},
        "tool_calls": {
            "supported": bool(offers),
            "parallel": any("parallel_tools" in offer.model.capabilities for offer in offers),
            "json_schema": any("json_schema" in offer.model.capabilities for offer in offers),
        },
        "resumable_turns": {"supported": "agent_turns_events_stream" in bound},
        "orchestration": {"tool_batch_planning": "agent_tool_batches_plan" in bound},
        "conformance_profiles": [profile for operation, profile in _PROFILES.items() if operation in bound],
        "client_configs": [
            {
                "client": client,
                "config_url": f"{address}/client-config/{client}",
                "freshness_url": f"{address}/client-config/{client}/freshness",
            }
            for client in FORMATS
        ],
    }
    if offers:
        capabilities["default_model_id"] = offers[0].model.id
    return {
        "object": "agent_capabilities",
        "schema_version": SCHEMA_VERSION,
        "capability_fingerprint": fingerprint(capabilities),
        **capabilities,
    }

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

from codegen.generated.ipop.routes import (
    AppTelemetryEnvelopesCreateBody,
    AppTelemetrySourceMapsUpdateBody,
    AppTelemetryUsageGetParams,
)
from handlers.core.app_telemetry import EVENT_UNITS, MAP_UNITS, Envelope, NewMap, Tariff
from handlers.core.call import Call
from handlers.core.errors import Invalid

_INCLUDED = "included"


async def app_telemetry_envelopes_create(body: AppTelemetryEnvelopesCreateBody, call: Call) -> dict[str, Any]:
    """Sending it again is harmless: an event that has an id or a time is taken once."""
    data: dict[str, Any] = body.data
    envelope = Envelope(data["events"], data.get("resource") or {}, data.get("sdk") or {})
    taken = await call.services.app_telemetry.ingest(call.caller.project_id, envelope)
    return {
        "object": "app_telemetry.ingest_result",
        "accepted_events": taken.accepted,
        "rejected_events": taken.rejected,
        "free_units": taken.units - taken.billed_units,
        "billed_units": taken.billed_units,
        "warnings": list(taken.warnings),
    }


async def app_telemetry_plans_list(call: Call) -> dict[str, Any]:
    """There is one plan, which the operator's settings make."""
    tariff = call.services.app_telemetry.tariff
    return {
        "object": "app_telemetry.catalog",
        "plugin_id": "app-telemetry",
        "generated_at_unix": int(call.services.clock()),
        "recommended_plan_id": _INCLUDED,
        "entitlement": {
            "flag": "app_telemetry",
            "beta_default_enabled": True,
            "paid_gate_enabled": bool(tariff.unit_usd),
        },
        "plans": [_plan(tariff)],
        "event_units": {**EVENT_UNITS, "source_map_mb": MAP_UNITS},
        "source_map_free_mb": tariff.free_map_megabytes,
        "unit_rate_usd": tariff.unit_usd or 0.0,
    }


async def app_telemetry_source_maps_update(body: AppTelemetrySourceMapsUpdateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    new = NewMap(
        release=data["release"],
        artifact_name=data["artifact_name"],
        file_name=data["file_name"],
        content_type=data.get("content_type") or "application/json",
        content=await asyncio.to_thread(_decode, data["content_base64"]),
    )
    upload = await call.services.app_telemetry.upload(call.caller.project_id, new)
    stored = upload.map
    return {
        "id": stored.id,
        "org_id": upload.organisation_id,
        "release": stored.release,
        "artifact_name": stored.artifact_name,
        "file_name": stored.file_name,
        "content_type": stored.content_type,
        "original_bytes": stored.original_bytes,
        "compressed_bytes": stored.compressed_bytes,
        "billed_units": upload.billed_units,
        "cost_usd": upload.cost_usd,
        "created_at": stored.created_at.isoformat(),
    }


async def app_telemetry_usage_get(params: AppTelemetryUsageGetParams, call: Call) -> dict[str, Any]:
    store = call.services.app_telemetry
    usage = await store.usage(call.caller.project_id, params.month)
    return {
        "object": "app_telemetry.usage",
        "org_id": usage.organisation_id,
        "month_utc": usage.month,
        "free_limit_units": store.tariff.free_units,
        "total_units": usage.units,
        "free_units": usage.units - usage.billed_units,
        "billed_units": usage.billed_units,
        "cost_usd": usage.cost_usd,
        "event_count": usage.events,
        "error_count": usage.errors,
    }


def _plan(tariff: Tariff) -> dict[str, Any]:
    beyond = "are refused" if tariff.unit_usd is None else f"cost {tariff.unit_usd:g} USD each"
    return {
        "id": _INCLUDED,
        "name": "Included",
        "monthly_usd": 0.0,
        "included_units": tariff.free_units,
        "overage_unit_rate_usd": tariff.unit_usd or 0.0,
        "summary": f"{tariff.free_units} units a month for each project; those beyond {beyond}.",
        "features": ["errors", "events", "logs", "page views", "sessions", "spans", "source maps"],
    }


def _decode(text: str) -> bytes:
    """Raises `Invalid`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("content_base64 is not base64", param="content_base64") from None

from __future__ import annotations

from typing import Any

from codegen.generated.ipop.routes import StorageAllocationsCreateBody
from handlers.core.call import Call
from handlers.core.s3.allowance import BLOCK_BYTES, Allocation
from handlers.ipop.address import base_url
from handlers.wire.s3.times import iso


async def storage_get(call: Call) -> dict[str, Any]:
    """Secrets of access keys were shown once, and are not among what is said of them."""
    objects, project_id = call.services.objects, call.caller.project_id
    usage = await objects.usage(project_id)
    allocation = await objects.allowance.allocation(project_id)
    tariff = objects.allowance.tariff
    return {
        "object": "object_storage.summary",
        "endpoint": f"{base_url(call)}/storage/s3",
        "month_utc": allocation.month,
        "allocation": _render(project_id, allocation),
        "rate_card": {
            "currency": "usd",
            "block_bytes": BLOCK_BYTES,
            "block_usd_per_month": float(tariff.block_usd),
            "free_bytes": tariff.free_bytes,
            "ingress_usd_per_gb": 0,
            "egress_usd_per_gb": 0,
            "request_usd": 0,
        },
        "usage": {
            "ingress_bytes": usage.ingress_bytes,
            "egress_bytes": usage.egress_bytes,
            "requests": usage.requests,
            "storage_byte_seconds": usage.storage_byte_seconds,
        },
        "buckets": [
            {
                "name": bucket.name,
                "object_count": bucket.object_count,
                "storage_bytes": bucket.size_bytes,
                "created_at": iso(bucket.created_us),
            }
            for bucket in await objects.rows.buckets(project_id)
        ],
        "keys": [
            {
                "access_key_id": key.id,
                "name": key.name,
                "secret_last4": key.last4,
                "state": "active" if key.revoked_at is None else "revoked",
                "created_at": key.created_at.isoformat(),
                "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
                "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
            }
            for key in await call.services.access_keys.list(project_id)
        ],
    }


async def storage_allocations_create(body: StorageAllocationsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    project_id = call.caller.project_id
    bought = await call.services.objects.allowance.buy(
        project_id, data["blocks"], data.get("month_utc"), data.get("idempotency_key")
    )
    return _render(project_id, bought)


def _render(project_id: str, allocation: Allocation) -> dict[str, Any]:
    left = allocation.allocation_bytes - allocation.used_bytes
    return {
        "billing_user_id": project_id,
        "month_utc": allocation.month,
        "free_bytes": allocation.free_bytes,
        "purchased_tb_blocks": allocation.blocks,
        "allocation_bytes": allocation.allocation_bytes,
        "used_bytes": allocation.used_bytes,
        "remaining_bytes": max(left, 0),
        "blocked": left < 0,
    }

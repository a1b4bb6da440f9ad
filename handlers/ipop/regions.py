from __future__ import annotations

from base64 import b64encode
from datetime import UTC
from typing import Any

from handlers.core.call import Call
from handlers.core.models import list_models
from handlers.core.regions import Region, RegionKey, known_regions, survey

LOW, MEDIUM = 2, 9
"""The most nodes of a bucket."""


async def regions_list(call: Call) -> dict[str, Any]:
    """Models are named to callers with a key alone."""
    regions = survey(await list_models(call), call)
    return {"object": "list", "data": [_render(region, known=call.who is not None) for region in regions]}


async def region_keys_list(call: Call) -> dict[str, Any]:
    keys = await call.services.regions.signer.published(known_regions(call))
    return {"object": "list", "data": [_render_key(key) for key in keys]}


def _render(region: Region, *, known: bool) -> dict[str, Any]:
    return {
        "region": region.name,
        "capacity_bucket": _bucket(region.nodes),
        "available_models": list(region.models) if known else [],
    }


def _bucket(nodes: int) -> str:
    if nodes == 0:
        return "none"
    if nodes <= LOW:
        return "low"
    return "medium" if nodes <= MEDIUM else "high"


def _render_key(key: RegionKey) -> dict[str, Any]:
    """`rotated_at` is when another key took its place."""
    rotated = key.rotated_at
    return {
        "node_id": key.node_id,
        "kid": key.kid,
        "public_key_b64": b64encode(key.public_key).decode(),
        "region": key.region,
        "rotated_at": None if rotated is None else rotated.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }

"""The models that coding agents are told of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from handlers.core.call import Call
from handlers.core.models import Offer, list_models


async def agent_models(call: Call) -> Sequence[Offer]:
    """What a coding agent can work with now; the one to begin with comes first."""
    wanted = {"chat", "tools", "streaming"}
    able = [offer for offer in await list_models(call) if offer.available and wanted <= offer.model.capabilities]
    return sorted(able, key=lambda offer: offer.model.tier != "recommended")


def fingerprint(value: Any) -> str:
    """The same for equal JSON, whatever the order of its members."""
    return "sha256:" + hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()

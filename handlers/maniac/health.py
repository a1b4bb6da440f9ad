from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.core.status import require_ready


async def healthz_get(call: Call) -> dict[str, Any]:
    await require_ready(call.services)
    return {"ok": True}

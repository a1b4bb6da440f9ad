from __future__ import annotations

from handlers.core.call import Call
from handlers.wire.reply import Reply


async def openapi_get(call: Call) -> Reply:
    return Reply(call.services.documents[call.api], media_type="application/json")

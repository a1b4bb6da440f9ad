from __future__ import annotations

import re

from handlers.core.call import Call

_HOST = re.compile(r"(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?", re.ASCII)
"""What may stand in a line that is copied into a shell; a `Host` header can say anything."""


def base_url(call: Call) -> str:
    """Where this API is, by the address that the caller used."""
    host = call.headers.get("host", "")
    address = host if _HOST.fullmatch(host) else "localhost"
    return f"{call.scheme}://{address}{call.services.base_paths[call.api]}"

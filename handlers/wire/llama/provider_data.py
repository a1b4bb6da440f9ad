"""`X-LlamaStack-Provider-Data`: a JSON object of keys for this one request (`openai_api_key`, `groq_api_key`, ...)."""

from __future__ import annotations

import orjson

from handlers.core.asks import KeyWish
from handlers.core.call import Call
from handlers.core.credentials import check_key_text
from handlers.core.errors import Invalid

HEADER = "x-llamastack-provider-data"
SUFFIX = "_api_key"


def key_wish(call: Call) -> KeyWish:
    """Keys of providers that this server does not have (a search engine's, say) are left alone; a request that brings
    a key is answered with it or not at all. Raises `Invalid`, which repeats nothing of the header."""
    text = call.headers.get(HEADER)
    if text is None:
        return KeyWish()
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise Invalid("X-LlamaStack-Provider-Data must be a JSON object", param=HEADER)
    keys = {}
    for name, value in data.items():
        if not name.endswith(SUFFIX) or value is None:
            continue
        if not isinstance(value, str):
            raise Invalid(f"X-LlamaStack-Provider-Data: {name} must be a text", param=HEADER)
        keys[name.removesuffix(SUFFIX).replace("_", "-")] = check_key_text(value, HEADER)
    return KeyWish("fail_closed_on_byok_error", keys) if keys else KeyWish()

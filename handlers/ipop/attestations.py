from __future__ import annotations

from codegen.generated.ipop.routes import AttestationsGetParams
from handlers.core.call import Call
from handlers.core.regions import attest


async def attestations_get(params: AttestationsGetParams, call: Call) -> dict[str, str]:
    """The members stand in the order in which they are signed, with `signature_b64` blank, as compact JSON."""
    return await attest(params.request_id, call)

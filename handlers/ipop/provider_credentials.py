from __future__ import annotations

from typing import Any

from codegen.generated.ipop.routes import (
    ProviderCredentialsCreateBody,
    ProviderCredentialsDeleteParams,
    ProviderCredentialsTestParams,
    ProviderCredentialsUpdateBody,
    ProviderCredentialsUpdateParams,
)
from handlers.core import credentials
from handlers.core.call import Call
from handlers.core.credentials import Credential, Draft


async def provider_credentials_list(call: Call) -> list[dict[str, Any]]:
    return [_render(credential) for credential in await credentials.list_credentials(call)]


async def provider_credentials_create(body: ProviderCredentialsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    draft = Draft(data["provider"], data["label"], data["api_key"], data.get("base_url"))
    return _render(await credentials.create_credential(draft, call))


async def provider_credentials_update(
    params: ProviderCredentialsUpdateParams, body: ProviderCredentialsUpdateBody, call: Call
) -> dict[str, Any]:
    return _render(await credentials.change_credential(params.credential_id, body.data, call))


async def provider_credentials_delete(params: ProviderCredentialsDeleteParams, call: Call) -> dict[str, Any]:
    return _render(await credentials.delete_credential(params.credential_id, call))


async def provider_credentials_test(params: ProviderCredentialsTestParams, call: Call) -> dict[str, Any]:
    """A key that the vendor refuses is an answer, not an error."""
    tested = await credentials.check_credential(params.credential_id, call)
    ok = tested.last_error is None
    message = f"{tested.provider} takes the key" if ok else str(tested.last_error)
    return {"ok": ok, "message": message, "credential": _render(tested)}


def _render(credential: Credential) -> dict[str, Any]:
    """The key is shown by its last four characters, one that is short not at all."""
    content: dict[str, Any] = {
        "id": credential.id,
        "provider": credential.provider,
        "label": credential.label,
        "masked_key": f"****{credential.last4}",
        "enabled": credential.enabled,
        "health": credentials.health_of(credential),
    }
    if credential.last_error is not None:
        content["last_error"] = credential.last_error
    for name in ("last_tested_at", "last_used_at"):
        at = getattr(credential, name)
        if at is not None:
            content[name] = int(at.timestamp())
    return content

"""With whose keys a request is answered: the server's, those that the project stored, or those it came with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from handlers.core.asks import KeyWish, Policy
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.credentials import Make
from handlers.core.errors import Forbidden
from handlers.core.services import SIMULATOR
from storage.repositories.provider_credentials import ProviderCredential

if TYPE_CHECKING:
    from handlers.core.models import Offer
    from storage.ledger_record import Record


Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class OwnKey(Generic[Client]):
    """A vendor under a key that is not the server's. `credential` is None for one that came with the request."""

    vendor: str
    client: Client
    credential: ProviderCredential | None = None


@dataclass(frozen=True, slots=True)
class OwnKeys(Generic[Client]):
    """What a request may use besides the server's own keys; `keys` in the order to try them."""

    policy: Policy
    keys: Sequence[OwnKey[Client]] = ()

    def places(self, model: Model) -> list[tuple[Deployment, OwnKey[Client]]]:
        """Where the model is served by a vendor that there is a key for, configured on this server or not."""
        return [(place, key) for place in model.deployments for key in self.keys if key.vendor == place.vendor]

    def hosted(self, offer: Offer, has_own: bool) -> Sequence[Deployment]:
        """Where the server's own keys may answer. A simulated stand-in is none for a vendor that failed."""
        if self.policy == "byok_only" or (self.policy == "fail_closed_on_byok_error" and has_own):
            return ()
        if not has_own:
            return offer.deployments
        return [place for place in offer.deployments if place.vendor != SIMULATOR or place in offer.model.deployments]

    def complain(self, model_id: str) -> Forbidden | None:
        """The error for a request that its policy leaves nobody to answer."""
        if self.policy != "byok_only":
            return None
        message = f"the policy allows only provider keys of your own, and there is none for {model_id}"
        return Forbidden(message, code="policy_violation", param="metadata.byok_fallback_policy")


async def find_own_keys(wish: KeyWish, make: Make[Client], call: Call) -> OwnKeys[Client]:
    """`make` is of `services.credentials.vendors`. Raises `Unavailable` for a stored key that cannot be opened."""
    if wish.policy == "hosted_only":
        return OwnKeys(wish.policy)
    book = call.services.credentials
    keys = list(_given(wish, make))
    for credential in await book.list(call.caller.project_id):
        if not credential.enabled or credential.provider in wish.given:
            continue
        client = await book.open(credential, make)
        if client is not None:
            keys.append(OwnKey(credential.provider, client, credential))
    return OwnKeys(wish.policy, tuple(keys))


def _given(wish: KeyWish, make: Make[Client]) -> Iterator[OwnKey[Client]]:
    for vendor, key in wish.given.items():
        client = make(vendor, key, None)
        if client is not None:
            yield OwnKey(vendor, client)


def note_key(record: Record, key: OwnKey[Any] | None) -> None:
    """Which key the record's request is answered with: never the key itself."""
    kept = {name: value for name, value in (record.metadata or {}).items() if name != "provider_key"}
    if key is not None:
        kept["provider_key"] = describe(key) | ({"elsewhere": True} if is_elsewhere(key) else {})
    record.metadata = kept or None


def is_elsewhere(key: OwnKey[Any] | None) -> bool:
    """Whether the key is for an address of the caller's own."""
    return key is not None and key.credential is not None and key.credential.base_url is not None


def describe(key: OwnKey[Any]) -> dict[str, str]:
    if key.credential is None:
        return {"source": "request"}
    return {"source": "byok", "credential_id": key.credential.id}

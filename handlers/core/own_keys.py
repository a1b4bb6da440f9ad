"""With whose keys a request is answered: the server's, those that the project stored, or those it came with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from handlers.core.asks import KeyWish, Policy
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.credentials import Make
from handlers.core.errors import Forbidden, Unavailable
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
    """What a request may use besides the server's own keys; `keys` in the order to try them. `unreadable` are vendors
    of which the project stored a key that cannot be opened."""

    policy: Policy
    keys: Sequence[OwnKey[Client]] = ()
    unreadable: frozenset[str] = frozenset()

    def places(self, model: Model) -> list[tuple[Deployment, OwnKey[Client]]]:
        """Where the model is served by a vendor that there is a key for, configured on this server or not."""
        return [(place, key) for place in model.deployments for key in self.keys if key.vendor == place.vendor]

    def hosted(self, offer: Offer) -> Sequence[Deployment]:
        """Where the server's own keys may answer. A simulated stand-in is none for a vendor that failed, and a key that
        cannot be opened has failed."""
        has_own = False
        if self.keys or self.unreadable:
            vendors = self.unreadable | {key.vendor for key in self.keys}
            has_own = any(place.vendor in vendors for place in offer.served.deployments)
        if self.policy == "byok_only" or (self.policy == "fail_closed_on_byok_error" and has_own):
            return ()
        if not has_own:
            return offer.deployments
        return [place for place in offer.deployments if place.vendor != SIMULATOR or place in offer.model.deployments]

    def complain(self, model_id: str) -> Forbidden | Unavailable | None:
        """The error for a request that its policy leaves nobody to answer."""
        if self.unreadable:
            names = ", ".join(sorted(self.unreadable))
            message = f"the stored key of {names} cannot be opened any more, and nobody else may answer: store it again"
            return Unavailable(message, code="secret_unreadable")
        if self.policy != "byok_only":
            return None
        message = f"the policy allows only provider keys of your own, and there is none for {model_id}"
        return Forbidden(message, code="policy_violation", param="metadata.byok_fallback_policy")


_NONE: Mapping[Policy, OwnKeys[Any]] = {policy: OwnKeys(policy) for policy in get_args(Policy)}


async def find_own_keys(wish: KeyWish, make: Make[Client], models: Iterable[Model], call: Call) -> OwnKeys[Client]:
    """Of the vendors that serve any of the models. `make` is of `services.credentials.vendors`."""
    if wish.policy == "hosted_only":
        return _NONE[wish.policy]
    book = call.services.credentials
    stored = await book.list(call.caller.project_id)
    if not stored and not wish.given:
        return _NONE[wish.policy]
    keys, unreadable = list(_given(wish, make)), set()
    vendors = {place.vendor for model in models for place in model.deployments} - wish.given.keys()
    for credential in stored:
        if not credential.enabled or credential.provider not in vendors:
            continue
        try:
            client = await book.open(credential, make)
        except Unavailable:
            unreadable.add(credential.provider)
            continue
        if client is not None:
            keys.append(OwnKey(credential.provider, client, credential))
    return OwnKeys(wish.policy, tuple(keys), frozenset(unreadable - {key.vendor for key in keys}))


def _given(wish: KeyWish, make: Make[Client]) -> Iterator[OwnKey[Client]]:
    for vendor, key in wish.given.items():
        client = make(vendor, key, None)
        if client is not None:
            yield OwnKey(vendor, client)


def note_key(record: Record, key: OwnKey[Any] | None) -> None:
    """Which key the record's request is answered with: never the key itself."""
    if key is None and (record.metadata is None or "provider_key" not in record.metadata):
        return
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

"""Keys of vendors that a project brings, to be used for its requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeVar

from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound, Unavailable
from handlers.core.keys.secrets import last4
from handlers.core.sealing import Seal
from providers.embeddings.interface import Embedder
from providers.errors import ProviderError, Refused
from providers.inference.interface import Inference
from storage.repositories.provider_credentials import ProviderCredential as Credential

__all__ = [
    "Book",
    "Credential",
    "Draft",
    "KeyedInference",
    "KeyedVendors",
    "change_credential",
    "check_credential",
    "check_key_text",
    "create_credential",
    "delete_credential",
    "health_of",
    "list_credentials",
]

MOST = 100
LONGEST_KEY = 4096
LONGEST_LABEL = 200
REMEMBERED_SECONDS = 1.0
MAX_PROJECTS = 10_000
TOUCH_SECONDS = 60.0

Health = Literal["disabled", "error", "healthy", "untested"]
Client = TypeVar("Client")
Make = Callable[[str, str, str | None], Client | None]
"""A vendor's client from its name, a key and an address, as `KeyedVendors` makes them."""


class Credentials(Protocol):
    """`storage.repositories.provider_credentials.ProviderCredentials`."""

    async def insert(self, credential: Credential) -> None: ...

    async def get(self, project_id: str, credential_id: str) -> Credential | None: ...

    async def list(self, project_id: str) -> Sequence[Credential]: ...

    async def change(self, credential: Credential) -> bool: ...

    async def touch(self, project_id: str, credential_id: str, at: datetime) -> None: ...

    async def delete(self, project_id: str, credential_id: str) -> bool: ...


class KeyedInference(Inference, Protocol):
    """A vendor with a key that a caller brought."""

    async def check_key(self) -> None:
        """One call that costs nothing and needs the key. Raises `ProviderError`."""


class KeyedVendors(Protocol):
    def with_key(self, vendor: str, key: str, base_url: str | None = None) -> KeyedInference | None:
        """The vendor under another key; at `base_url`, a caller's choice, only where that is on the public internet.
        None for a vendor that the catalog does not name."""

    def embedder_with_key(self, vendor: str, key: str, base_url: str | None = None) -> Embedder | None:
        """The same for embeddings; None also for a vendor that makes none."""


NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Book:
    """Every project's credentials, remembered for a moment, since every chat looks them up. What another process
    changes is seen within `REMEMBERED_SECONDS`, what this one does at once."""

    repository: Credentials
    seal: Seal
    vendors: KeyedVendors
    clock: Callable[[], float]
    _remembered: dict[str, tuple[float, Sequence[Credential]]] = field(default_factory=dict)

    async def list(self, project_id: str) -> Sequence[Credential]:
        """Newest first."""
        now = self.clock()
        known = self._remembered.get(project_id)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = tuple(await self.repository.list(project_id))
        if len(self._remembered) >= MAX_PROJECTS:
            self._remembered.clear()
        self._remembered[project_id] = (now, found)
        return found

    def forget(self, project_id: str) -> None:
        self._remembered.pop(project_id, None)

    async def open(self, credential: Credential, make: Make[Client]) -> Client | None:
        """What `make`, of `vendors`, makes of the key. Raises `Unavailable` for one that cannot be opened."""
        key = (await self.seal.open(credential.sealed_key, _about(credential))).decode()
        return make(credential.provider, key, credential.base_url)

    async def vendors_of(self, project_id: str) -> frozenset[str]:
        """Whose keys the project has, and wants to be used."""
        stored = await self.list(project_id)
        return frozenset(one.provider for one in stored if one.enabled) if stored else NOBODY

    async def note_use(self, credential: Credential) -> None:
        """Writes down that it is used, once a minute."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        used = credential.last_used_at
        if used is None or (now - used).total_seconds() >= TOUCH_SECONDS:
            await self.repository.touch(credential.project_id, credential.id, now)
            self.forget(credential.project_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """`key` is the vendor's key as text."""

    provider: str
    label: str
    key: str = field(repr=False)
    base_url: str | None = None


async def list_credentials(call: Call) -> Sequence[Credential]:
    return await call.services.credentials.repository.list(call.caller.project_id)


async def create_credential(draft: Draft, call: Call) -> Credential:
    """Raises `Invalid`, for an address that is not allowed, too."""
    services = call.services
    if len(await list_credentials(call)) >= MOST:
        raise Invalid(f"a project has at most {MOST} provider credentials", code="too_many_credentials")
    bare = Credential(
        id=services.new_id("pcred"),
        project_id=call.caller.project_id,
        provider=draft.provider,
        label=_checked_label(draft.label),
        sealed_key=b"",
        last4="",
        base_url=await _checked_address(draft.base_url, call),
        enabled=True,
        created_at=_now(call),
    )
    made = await _with_key(bare, draft.key, call)
    await services.credentials.repository.insert(made)
    services.credentials.forget(made.project_id)
    return made


async def change_credential(credential_id: str, changes: Mapping[str, Any], call: Call) -> Credential:
    """`changes` may name `label`, `enabled`, `base_url` (None clears it) and `api_key`. Another key or address has not
    been tested. A stored key is not sent to a new address unless it is given again: whoever may change the address
    could read it there. Raises `NotFound`, `Invalid`."""
    changed = await _find(credential_id, call)
    if "label" in changes:
        changed = replace(changed, label=_checked_label(changes["label"]))
    if "enabled" in changes:
        changed = replace(changed, enabled=changes["enabled"])
    if "base_url" in changes:
        address = await _checked_address(changes["base_url"], call)
        if address not in (None, changed.base_url) and "api_key" not in changes:
            message = "another base_url needs the api_key again, for the stored one is not sent elsewhere"
            raise Invalid(message, code="api_key_required", param="api_key")
        changed = _untested(replace(changed, base_url=address))
    if "api_key" in changes:
        changed = _untested(await _with_key(changed, changes["api_key"], call))
    return await _keep(changed, call)


async def delete_credential(credential_id: str, call: Call) -> Credential:
    """Answers what was deleted. Raises `NotFound`."""
    found = await _find(credential_id, call)
    await call.services.credentials.repository.delete(found.project_id, found.id)
    call.services.credentials.forget(found.project_id)
    return found


async def check_credential(credential_id: str, call: Call) -> Credential:
    """Asks the vendor whether it takes the key, and keeps what it said: `last_error` is None when it does."""
    found = await _find(credential_id, call)
    book = call.services.credentials
    inference = await book.open(found, book.vendors.with_key)
    said: str | None = None
    try:
        if inference is None:
            said = f"this server does not know the provider {found.provider}"
        else:
            await inference.check_key()
    except ProviderError as error:
        said = error.message
    return await _keep(replace(found, last_tested_at=_now(call), last_error=said), call)


def health_of(credential: Credential) -> Health:
    if not credential.enabled:
        return "disabled"
    if credential.last_error is not None:
        return "error"
    return "untested" if credential.last_tested_at is None else "healthy"


async def _find(credential_id: str, call: Call) -> Credential:
    found = None
    if "\0" not in credential_id:
        found = await call.services.credentials.repository.get(call.caller.project_id, credential_id)
    if found is None:
        message = f"there is no provider credential {credential_id}"
        raise NotFound(message, code="provider_credential_not_found", param="credential_id")
    return found


async def _keep(changed: Credential, call: Call) -> Credential:
    if not await call.services.credentials.repository.change(changed):
        raise Unavailable("the provider credential was deleted meanwhile")
    call.services.credentials.forget(changed.project_id)
    return changed


async def _with_key(credential: Credential, key: str, call: Call) -> Credential:
    checked = check_key_text(key, "api_key")
    sealed = await call.services.credentials.seal.seal(checked.encode(), _about(credential))
    return replace(credential, sealed_key=sealed, last4=last4(checked))


def _untested(credential: Credential) -> Credential:
    return replace(credential, last_tested_at=None, last_error=None)


def check_key_text(key: str, param: str) -> str:
    """A key as it can stand in a header. Raises `Invalid`, which does not repeat it."""
    bare = key.strip()
    if not bare or len(bare) > LONGEST_KEY or not all("!" <= character <= "~" for character in bare):
        raise Invalid(f"{param} must be a key: printable ASCII without spaces", param=param)
    return bare


def _checked_label(label: str) -> str:
    bare = label.strip()
    if not bare or len(bare) > LONGEST_LABEL or not bare.isprintable():
        raise Invalid(f"label must be a text of 1 to {LONGEST_LABEL} characters", param="label")
    return bare


async def _checked_address(base_url: str | None, call: Call) -> str | None:
    if base_url is None:
        return None
    try:
        call.services.addresses.check(base_url, only_https=True)
        await call.services.addresses.look(base_url)
    except Refused as error:
        raise Invalid(f"base_url: {error.message}", code=error.code, param="base_url") from error
    return base_url.rstrip("/")


def _about(credential: Credential) -> str:
    return f"{credential.project_id}/{credential.id}"


def _now(call: Call) -> datetime:
    return datetime.fromtimestamp(call.services.clock(), UTC)

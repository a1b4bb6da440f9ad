"""Where a request is answered, on whose wish, and the signed word for it."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import orjson

from handlers.core.errors import Invalid, NotFound
from handlers.core.sealing import Seal
from storage.ledger_record import Record
from storage.repositories.region_keys import RegionKey

if TYPE_CHECKING:
    from handlers.core.call import Call
    from handlers.core.models import Offer

__all__ = [
    "Region",
    "RegionKey",
    "RegionWish",
    "Regions",
    "Signer",
    "attest",
    "known_regions",
    "pin",
    "survey",
]

ED25519_BYTES = 32
KID_CHARACTERS = 16


class Keys(Protocol):
    """`storage.repositories.region_keys.RegionKeys`."""

    async def list(self) -> Sequence[RegionKey]: ...

    async def current(self, region: str) -> RegionKey | None: ...

    async def replace(self, old_kid: str | None, fresh: RegionKey) -> RegionKey: ...


class Requests(Protocol):
    """`storage.repositories.requests.Requests`."""

    async def get(self, project_id: str, request_id: str) -> Record | None: ...


@dataclass(frozen=True, slots=True)
class RegionWish:
    """`required` is kept to or refused; `preferred` is tried first."""

    required: str | None = None
    preferred: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """The keys of regions: made on first need, replaced when they are `lifetime` old, and published for ever."""

    keys: Keys
    seal: Seal
    clock: Callable[[], float]
    lifetime: timedelta = timedelta(days=90)
    randomness: Callable[[int], bytes] = field(default=os.urandom, repr=False)

    async def published(self, regions: Sequence[str]) -> Sequence[RegionKey]:
        """Every key that ever signed, and one in force for each of `regions`; newest first."""
        for region in regions:
            await self.current(region)
        return await self.keys.list()

    async def current(self, region: str) -> RegionKey:
        found = await self.keys.current(region)
        if found is None or self._now() - found.created_at >= self.lifetime:
            return await self._replace(found, region)
        return found

    async def rotate(self, region: str) -> RegionKey:
        return await self._replace(await self.keys.current(region), region)

    async def sign(self, key: RegionKey, content: bytes) -> bytes:
        """Raises `Unavailable` for a key that cannot be opened."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        secret = await self.seal.open(key.sealed_key, f"region/{key.kid}")
        return Ed25519PrivateKey.from_private_bytes(secret).sign(content)

    async def _replace(self, old: RegionKey | None, region: str) -> RegionKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        secret = self.randomness(ED25519_BYTES)
        public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        kid = f"{region}-{hashlib.sha256(public).hexdigest()[:KID_CHARACTERS]}"
        fresh = RegionKey(
            kid=kid,
            region=region,
            node_id=old.node_id if old else str(UUID(bytes=self.randomness(16), version=4)),
            public_key=public,
            sealed_key=await self.seal.seal(secret, f"region/{kid}"),
            created_at=self._now(),
        )
        return await self.keys.replace(old.kid if old else None, fresh)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


@dataclass(frozen=True, slots=True)
class Regions:
    """`own` is where this server stands; `of_vendor` where a vendor does, None for one that is in no region that the
    operator named."""

    own: str
    of_vendor: Callable[[str], str | None]
    signer: Signer
    requests: Requests

    def known(self, vendors: Sequence[str]) -> list[str]:
        """This server's region first, then those of vendors."""
        theirs = sorted({region for vendor in vendors if (region := self.of_vendor(vendor))})
        return list(dict.fromkeys([self.own, *theirs]))


@dataclass(frozen=True, slots=True)
class Region:
    """`nodes` are the vendors there that can answer now; `models` what they answer."""

    name: str
    nodes: int
    models: Sequence[str]


def survey(offers: Sequence[Offer], call: Call) -> list[Region]:
    regions = call.services.regions
    found = {name: (set[str](), list[str]()) for name in known_regions(call)}
    for offer in offers:
        for place in offer.deployments:
            region = regions.of_vendor(place.vendor)
            if region is not None:
                vendors, models = found[region]
                vendors.add(place.vendor)
                models.append(offer.model.id)
    return [Region(name, len(vendors), list(dict.fromkeys(models))) for name, (vendors, models) in found.items()]


def known_regions(call: Call) -> list[str]:
    services = call.services
    return services.regions.known([*services.inference, *services.embedded])


class Pinnable(Protocol):
    """What a client asks, for whatever."""

    @property
    def region(self) -> RegionWish: ...

    @property
    def prompt_bytes(self) -> bytes: ...


def pin(ask: Pinnable, call: Call) -> None:
    """Notes in the record what the request requires, and a hash of its prompt, for an attestation. Raises `Invalid`
    for a region that there is not."""
    required = ask.region.required
    if required is None:
        return
    if required not in known_regions(call):
        message = f"there is no region {required}; there is {', '.join(known_regions(call))}"
        raise Invalid(message, code="region_not_found", param="metadata.require_region")
    pinned = {"required": required, "prompt_sha256": hashlib.sha256(ask.prompt_bytes).hexdigest()}
    call.record.metadata = {**(call.record.metadata or {}), "region": pinned}


async def attest(request_id: str, call: Call) -> dict[str, str]:
    """The envelope of a completed request that required a region, in the order that is signed (ipop.json:
    RegionAttestationEnvelope). Raises `NotFound`."""
    regions = call.services.regions
    record = None
    if "\0" not in request_id:
        record = await regions.requests.get(call.caller.project_id, request_id)
    pinned: dict[str, Any] | None = ((record.metadata if record else None) or {}).get("region")
    if record is None or record.state != "completed" or pinned is None:
        raise NotFound(f"there is no attestation for request {request_id}", code="attestation_not_found")
    key = await regions.signer.current(pinned["required"])
    completed_at = datetime.fromtimestamp(record.started_at + (record.duration_us or 0) / 1_000_000, UTC)
    envelope = {
        "completed_at": completed_at.isoformat().replace("+00:00", "Z"),
        "node_id": key.node_id,
        "prompt_hash": pinned["prompt_sha256"],
        "region": pinned["required"],
        "request_id": record.request_id,
        "signature_b64": "",
        "signer_kid": key.kid,
    }
    signature = await regions.signer.sign(key, orjson.dumps(envelope))
    return envelope | {"signature_b64": b64encode(signature).decode()}

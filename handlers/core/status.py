"""Whether the product can work, and with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.core.call import Call
from handlers.core.errors import Unavailable
from handlers.core.models import Offer, list_models
from handlers.core.services import SIMULATOR, Services


@dataclass(frozen=True, slots=True)
class Status:
    """`offers` are all models, usable or not."""

    ready: bool
    offers: Sequence[Offer]
    at: float


@dataclass(frozen=True, slots=True)
class Provider:
    """`kind` is `inline::x` for what runs inside this process, else `remote::x`."""

    api: str
    name: str
    kind: str


async def require_ready(services: Services) -> None:
    """Raises `Unavailable` when storage does not answer."""
    if not await services.ready():
        raise Unavailable("storage does not answer", headers={"Retry-After": "1"})


async def read_status(call: Call) -> Status:
    services = call.services
    return Status(await services.ready(), await list_models(call), services.clock())


def list_providers(services: Services) -> list[Provider]:
    inference = [
        Provider("inference", name, f"inline::{name}" if name == SIMULATOR else f"remote::{name}")
        for name in services.inference
    ]
    return inference + [Provider("inference", name, f"inline::{name}") for name in sorted(services.embedded)]

"""The models that one project sees: the catalog with the project's own registrations over it."""

from __future__ import annotations

from collections.abc import Container as Holding
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from handlers.core.call import Call
from handlers.core.catalog import Capability, Deployment, Kind, Model, fold
from handlers.core.container_routes import Route, find_route
from handlers.core.errors import Forbidden, Invalid, NotFound
from handlers.core.model_lists import ModelList
from handlers.core.services import SIMULATOR, Services
from storage.repositories.containers import Container
from storage.repositories.models import RegisteredModel

LARGEST_SIZE = 2**31
_ANY_CHAT: frozenset[Capability] = frozenset(
    {"chat", "completion", "tools", "parallel_tools", "json_schema", "vision", "reasoning", "streaming", "grammar"}
)
"""What a registered model that the catalog does not know may be asked for: its vendor refuses what it cannot do."""


_MODEL_TYPES: Mapping[Kind, str] = {"chat": "llm", "embedding": "embedding"}
"""Kinds as registrations keep them."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as a project sees it. `deployments` are those that can answer now, a simulated one included; none
    means that this server has no key for it. `own` are those that the project has a key of its own for. `metadata` is
    what the project registered it with. A container is offered as a model of its own: `route` leads to the one that
    answers."""

    model: Model
    deployments: tuple[Deployment, ...]
    own: tuple[Deployment, ...] = ()
    registered: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    route: Route | None = None
    base: Model | None = None

    @property
    def served(self) -> Model:
        """The model that answers: a container's, or this one."""
        return self.base or self.model

    @property
    def available(self) -> bool:
        return bool(self.deployments or self.own)

    @property
    def provider(self) -> str:
        """The vendor that answers now, or that would if it were configured."""
        served_by = self._served_by
        return served_by[0].vendor if served_by else SIMULATOR

    @property
    def provider_model(self) -> str:
        served_by = self._served_by
        return served_by[0].model if served_by else self.model.id

    @property
    def _served_by(self) -> tuple[Deployment, ...]:
        return self.own or self.deployments or self.model.deployments


async def list_models(call: Call) -> list[Offer]:
    """As `find_list`."""
    return list((await find_list(call)).offers)


async def find_list(call: Call) -> ModelList:
    """In the catalog's order, registrations that are new at the end, then containers. A key that is limited to models
    sees only those; nobody in particular sees the catalog."""
    services, who, own = call.services, call.who, await _own_vendors(call)
    registered: Sequence[RegisteredModel] = ()
    containers: Sequence[Container] = ()
    if who is not None:
        registered = await services.registered_models.list(who.project_id)
        containers = await services.container_lists.of(who.project_id, services.containers, services.clock())

    def make() -> list[Offer]:
        offers = {fold(model.id): _offer(model, services, own) for model in services.catalog.current.models.values()}
        for model in registered:
            offers[fold(model.identifier)] = _registered_offer(model, services, own)
        for container in containers:
            base = offers.get(fold(container.model))
            if base is not None:
                route = Route(container)
                offers[fold(route.id)] = _routed(base, route)
        return [offer for offer in offers.values() if may_use(offer.served.id, call)]

    whom = (who.project_id, who.models) if who else None
    return services.model_lists.get(whom, (services.catalog.current, registered, containers, own), make)


async def list_agent_models(call: Call) -> list[Offer]:
    """What a coding agent can work with now; the one to begin with comes first."""
    wanted: set[Capability] = {"chat", "tools", "streaming"}
    able = [offer for offer in await list_models(call) if offer.available and wanted <= offer.model.capabilities]
    return sorted(able, key=lambda offer: offer.model.tier != "recommended")


async def find_model(model_id: str, call: Call) -> Offer | None:
    """`/` and `:` in an id are the same. Finds what the key may not use, too: see `may_use`. No id holds a NUL, which
    Postgres cannot keep."""
    services = call.services
    if "\0" in model_id:
        return None
    route = await find_route(model_id, call)
    if route is not None:
        base = await find_model(route.model, call)
        return None if base is None else _routed(base, route)
    own = await _own_vendors(call)
    model = services.catalog.current.find(model_id) or _scripted(fold(model_id), services)
    if call.who is not None:
        for spelling in dict.fromkeys((model_id, model.id if model else model_id)):
            registered = await services.registered_models.get(call.who.project_id, spelling)
            if registered is not None:
                return _registered_offer(registered, services, own)
    if model is not None:
        return _offer(model, services, own)
    offers = await list_models(call) if ":" in model_id or "/" in model_id else []
    listed = next((offer for offer in offers if fold(offer.model.id) == fold(model_id)), None)
    if listed is None and call.who is not None:
        fresh = await services.registered_models.look(call.who.project_id, model_id)
        return _registered_offer(fresh, services, own) if fresh else None
    return listed


def may_use(model_id: str, call: Call) -> bool:
    allowed = call.who.models if call.who else None
    return allowed is None or fold(model_id) in {fold(name) for name in allowed}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks to register; None leaves it to us."""

    model_id: str
    provider_id: str | None = None
    provider_model_id: str | None = None
    kind: Kind | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


async def register_model(wish: Wish, call: Call) -> Offer:
    """Raises `NotFound` for a provider that neither the catalog nor the configuration knows."""
    services = call.services
    if not wish.model_id.strip():
        raise Invalid("model_id must not be empty", param="model_id")
    if "\0" in wish.model_id:
        raise Invalid("model_id: NUL is not allowed", param="model_id")
    deployment = _deployment_for(wish, services)
    known = _known_model(deployment, services)
    kind = wish.kind or (known.kind if known else "chat")
    if known and known.kind != kind:
        raise Invalid(f"{deployment.model} is a {known.kind} model", code="wrong_model_type", param="model_type")
    registered = RegisteredModel(
        project_id=call.caller.project_id,
        identifier=wish.model_id,
        provider_resource_id=deployment.model,
        provider_id=deployment.vendor,
        model_type=_MODEL_TYPES[kind],
        created_at=datetime.fromtimestamp(services.clock(), UTC),
        metadata=dict(wish.metadata),
    )
    await services.registered_models.put(registered)
    return _registered_offer(registered, services, await _own_vendors(call))


async def unregister_model(model_id: str, call: Call) -> None:
    """Raises `NotFound`, or `Forbidden` for a model that the operator's catalog offers to everybody."""
    if await call.services.registered_models.delete(call.caller.project_id, model_id):
        return
    if await find_model(model_id, call):
        raise Forbidden(f"model {model_id} belongs to the catalog: it was not registered by this project")
    raise NotFound(f"there is no model {model_id}", code="model_not_found")


def _deployment_for(wish: Wish, services: Services) -> Deployment:
    named = services.catalog.current.find(wish.provider_model_id or wish.model_id)
    if wish.provider_id is None:
        if named and named.deployments:
            ready = [place for place in named.deployments if place.vendor in _configured(named.kind, services)]
            return (ready or named.deployments)[0]
        if SIMULATOR in services.inference:
            return Deployment(SIMULATOR, wish.provider_model_id or wish.model_id)
        raise Invalid("provider_id is needed: no model of the catalog has this name", param="provider_id")
    if wish.provider_id not in _vendors(services):
        raise NotFound(f"there is no provider {wish.provider_id}", code="provider_not_found", param="provider_id")
    if named:
        for deployment in named.deployments:
            if deployment.vendor == wish.provider_id:
                return deployment
    return Deployment(wish.provider_id, wish.provider_model_id or wish.model_id)


def _vendors(services: Services) -> set[str]:
    """Every vendor that is configured or that the catalog names."""
    named = {place.vendor for model in services.catalog.current.models.values() for place in model.deployments}
    return named | set(services.inference) | set(services.embeddings)


def _known_model(deployment: Deployment, services: Services) -> Model | None:
    """The catalog's model that is served by this vendor under this name."""
    for model in services.catalog.current.models.values():
        if any((place.vendor, place.model) == (deployment.vendor, deployment.model) for place in model.deployments):
            return model
    return services.catalog.current.find(deployment.model) if deployment.vendor == SIMULATOR else None


async def _own_vendors(call: Call) -> frozenset[str]:
    """Of which the project has keys of its own."""
    return await call.services.credentials.vendors_of(call.who.project_id) if call.who else frozenset()


def _registered_offer(registered: RegisteredModel, services: Services, own: frozenset[str]) -> Offer:
    deployment = Deployment(registered.provider_id, registered.provider_resource_id)
    known = _known_model(deployment, services)
    model = replace(
        known or _unknown_model(registered),
        id=registered.identifier,
        kind=_kind(registered),
        created=_created(registered),
        deployments=(deployment,),
    )
    return replace(_offer(model, services, own), registered=True, metadata=registered.metadata)


def _unknown_model(registered: RegisteredModel) -> Model:
    """All that a registration tells of a model that the catalog does not know; 0 tokens mean that nobody said."""
    return Model(
        id=registered.identifier,
        display_name=registered.identifier,
        owned_by=registered.provider_id,
        kind=_kind(registered),
        capabilities=_ANY_CHAT if _kind(registered) == "chat" else frozenset({"embeddings"}),
        context_tokens=_size(registered.metadata.get("context_length")) or 0,
        max_output_tokens=0,
        created=_created(registered),
        embedding_dimensions=_size(registered.metadata.get("embedding_dimension")),
        metadata=registered.metadata,
    )


def _routed(base: Offer, route: Route) -> Offer:
    created = int((route.submodel or route.container).created_at.timestamp())
    model = replace(base.model, id=route.id, display_name=route.container.label, created=created)
    return replace(base, model=model, base=base.model, route=route, registered=False)


def _kind(registered: RegisteredModel) -> Kind:
    return "embedding" if registered.model_type == "embedding" else "chat"


def _created(registered: RegisteredModel) -> int:
    return int(registered.created_at.timestamp())


def _size(value: Any) -> int | None:
    """A number of tokens or dimensions; metadata may hold anything under these names."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 1 <= value <= LARGEST_SIZE else None


def _offer(model: Model, services: Services, own: frozenset[str]) -> Offer:
    """Real vendors first; in the `local` profile the simulator stands in for a chat model that has none. It is asked
    for the model's own id, on which its text depends."""
    configured = _configured(model.kind, services)
    ready = tuple([place for place in model.deployments if place.vendor in configured])
    if not ready and model.kind == "chat" and services.profile == "local" and SIMULATOR in services.inference:
        ready = (Deployment(SIMULATOR, model.id),)
    return Offer(model, ready, tuple([place for place in model.deployments if place.vendor in own]) if own else ())


def _configured(kind: Kind, services: Services) -> Holding[str]:
    return services.embeddings if kind == "embedding" else services.inference


def _scripted(wanted: str, services: Services) -> Model | None:
    """`simulator/error-429` and the like: the simulator's chat model under a name that scripts a fault."""
    vendor, _, script = wanted.partition("/")
    model = services.catalog.current.find(f"{SIMULATOR}/chat")
    if vendor != SIMULATOR or not script or model is None or SIMULATOR not in services.inference:
        return None
    return replace(model, id=wanted, display_name=wanted, deployments=(Deployment(SIMULATOR, script),))

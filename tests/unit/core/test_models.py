from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.asks import ChatAsk
from handlers.core.catalog import Catalog, CatalogHolder, Deployment
from handlers.core.errors import Invalid
from handlers.core.models import Offer, Wish, find_model, list_models, register_model
from handlers.core.routing import plan
from handlers.core.services import Services
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import FULL, make_call, make_services, said


async def offer_of(model_id: str, services: Services) -> Offer:
    offer = await find_model(model_id, make_call("maniac", services))
    assert offer is not None
    return offer


async def test_a_configured_vendor_is_used_and_the_simulator_is_not() -> None:
    offer = await offer_of("openai/gpt-5.5", make_services(Vendor("openai")))
    assert offer.deployments == (Deployment("openai", "gpt-5.5"),)


async def test_without_a_vendor_the_simulator_stands_in_locally_but_not_in_production() -> None:
    local = await offer_of("openai/gpt-5.5", make_services())
    production = await offer_of("openai/gpt-5.5", make_services(profile="production"))
    assert local.deployments == (Deployment("simulator", "openai/gpt-5.5"),)
    assert not production.available
    assert (await offer_of("simulator/chat", make_services(profile="production"))).available


async def test_the_simulator_never_stands_in_for_embeddings() -> None:
    offer = await offer_of("local/all-minilm-l6-v2", make_services(embeddings={}))
    assert not offer.available


async def test_a_scripted_name_reaches_the_simulator() -> None:
    offer = await offer_of("simulator:error-429", make_services())
    assert offer.deployments == (Deployment("simulator", "error-429"),)
    assert await find_model("simulator/error-429", make_call("maniac", make_services(inference={}))) is None


async def test_a_registration_lies_over_the_catalog_for_its_project_only() -> None:
    services = make_services(Vendor("openai"), Vendor("openrouter"))
    call = make_call("llama_stack", services)
    await register_model(Wish("openai/gpt-5.5", "openrouter", metadata={"a": 1}), call)
    mine = await offer_of("openai:gpt-5.5", services)
    assert mine.provider == "openrouter"
    assert len([offer for offer in await list_models(call) if offer.model.id == "openai/gpt-5.5"]) == 1
    other = replace(call, who=replace(call.caller, project_id="project-2"))
    theirs = await find_model("openai/gpt-5.5", other)
    assert theirs is not None
    assert not theirs.registered


async def test_no_id_holds_what_postgres_cannot_keep() -> None:
    with pytest.raises(Invalid, match="NUL"):
        await register_model(Wish("a\0b", "simulator"), make_call("llama_stack"))


@pytest.mark.parametrize("size", [1e30, -5, 0.5, "x", True])
async def test_a_size_that_is_none_is_not_believed(size: object) -> None:
    services = make_services()
    metadata = {"context_length": size, "embedding_dimension": size}
    await register_model(Wish("mine", "simulator", metadata=metadata), make_call("llama_stack", services))
    offer = await offer_of("mine", services)
    assert (offer.model.context_tokens, offer.model.embedding_dimensions) == (0, None)
    assert offer.metadata == metadata


async def test_a_registered_alias_has_the_catalogs_capabilities_and_prices() -> None:
    services = make_services()
    await register_model(Wish("alias", provider_model_id="openai/gpt-5.5"), make_call("llama_stack", services))
    alias = await offer_of("alias", services)
    assert (alias.model.capabilities, alias.model.prices) == (FULL.capabilities, FULL.prices)
    assert alias.model.id == "alias"


async def test_a_reloaded_catalog_is_seen_at_once() -> None:
    services = make_services()
    services.catalog.current = Catalog([replace(FULL, id="new/one")])
    assert [offer.model.id for offer in await list_models(make_call("maniac", services))] == ["new/one"]


@pytest.mark.parametrize(("drawn", "first"), [([0.9, 0.1], "a"), ([0.1, 0.9], "b")])
async def test_deployments_are_ordered_by_chance(drawn: list[float], first: str) -> None:
    model = replace(FULL, deployments=(Deployment("a", "x"), Deployment("b", "x"), Deployment("spare", "x", weight=0)))
    services = make_services(
        Vendor("a"),
        Vendor("b"),
        Vendor("spare"),
        catalog=CatalogHolder(Catalog([model])),
        random=iter(drawn).__next__,
    )
    attempts = await plan(ChatAsk(models=(model.id,), messages=said("hi")), make_call("maniac", services))
    assert attempts[0].deployment.vendor == first
    assert attempts[-1].deployment.vendor == "spare"

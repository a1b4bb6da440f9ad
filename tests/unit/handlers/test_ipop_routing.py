"""What IPOP's metadata makes of a request's way, and what it tells of it."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import orjson
import pytest

import codegen.generated
from handlers.core.catalog import Catalog, CatalogHolder, Price
from handlers.core.errors import NotFound, Unavailable
from handlers.core.latencies import Latencies
from handlers.core.services import Traits
from providers import errors as vendor_errors
from providers.inference.interface import Chunk, Usage
from tests.unit.core.vendors import STOP, Vendor, chunk, spoken
from tests.unit.handlers.bench import FULL, NOW, frames_of, make_call, make_services
from tests.unit.handlers.test_ipop import ask, ask_with, two


async def test_cost_first_asks_the_cheapest_deployment() -> None:
    first, second = two()
    dear = Price("openai", Decimal(5), Decimal(30))
    cheap = Price("openrouter", Decimal(4), Decimal(20))
    model = replace(FULL, prices=(dear, cheap))
    catalog = CatalogHolder(Catalog([model]))
    account = await ask_with({"fallback_profile": "cost_first"}, first, second, catalog=catalog)
    assert account["route_preference"] == preference("cost_first", "openrouter")
    account = await ask_with({"quality_tier": "low_cost"}, first, second, catalog=catalog)
    assert account["route_preference"] == preference("cost_first", "openrouter")
    assert "route_preference" not in await ask_with({}, first, second, catalog=catalog)
    assert (len(first.asked), len(second.asked)) == (1, 2)


def preference(profile: str, provider: str) -> dict[str, Any]:
    return {"fallback_profile": profile, "provider": provider, "session_affinity": False}


@pytest.mark.parametrize(
    ("metadata", "profile"),
    [
        ({"fallback_profile": "privacy_first"}, "privacy_first"),
        ({"fallback_profile": "network_first"}, "network_first"),
        ({"sensitive": True}, "privacy_first"),
        ({"contains_pii": True, "fast_lane": True}, "privacy_first"),
    ],
)
async def test_private_and_near_deployments_go_first_where_that_is_wanted(
    metadata: dict[str, Any], profile: str
) -> None:
    traits = {"openai": Traits(), "openrouter": Traits(internal=True, private=True)}
    account = await ask_with(metadata, *two(), traits=traits.__getitem__)
    assert account["route_preference"] == preference(profile, "openrouter")
    assert account["route_class"] == "ipop_network"
    first, second = two()
    second.failure = vendor_errors.Unavailable("down")
    account = await ask_with(metadata, first, second, traits=traits.__getitem__)
    assert (account["route_preference"]["provider"], account["fallback_used"]) == ("openai", True)


@pytest.mark.parametrize(
    "metadata", [{"fallback_profile": "latency_first"}, {"latency_tier": "fast"}, {"fast_lane": True}]
)
async def test_latency_first_asks_whoever_lately_answered_soonest(metadata: dict[str, Any]) -> None:
    latencies = Latencies(lambda: NOW)
    slow, quick = FULL.deployments
    latencies.note(slow, False, 2.0)
    latencies.note(quick, False, 0.2)
    account = await ask_with(metadata, *two(), latencies=latencies)
    assert account["route_preference"] == preference("latency_first", "openrouter")


async def test_what_was_not_measured_lately_is_asked_first() -> None:
    latencies = Latencies(lambda: NOW)
    latencies.note(FULL.deployments[0], False, 0.001)
    account = await ask_with({"fallback_profile": "latency_first"}, *two(), latencies=latencies)
    assert account["route_preference"] == preference("latency_first", "openrouter")


@pytest.mark.parametrize("name", ["session_id", "prompt_cache_key", "prefix_cache_key"])
async def test_requests_of_one_session_go_to_one_deployment(name: str) -> None:
    served = []
    for number in range(12):
        session = {name: f"s-{number}"}
        answers = [await ask_with(session, *two()) for _ in range(2)]
        one, two_ = (account["route_preference"] for account in answers)
        assert one == two_
        served.append(one["provider"])
    assert set(served) == {"openai", "openrouter"}


async def test_a_hard_pin_keeps_a_session_from_going_elsewhere() -> None:
    vendors = two()
    for vendor in vendors:
        vendor.failure = vendor_errors.Refused("not here", status=404)
    with pytest.raises(NotFound):
        await ask_with({"session_id": "s", "hard_session_pin": True}, *vendors)
    assert sum(len(vendor.asked) for vendor in vendors) == 1


async def test_a_deployment_that_costs_more_than_the_request_may_is_not_asked() -> None:
    """Ten tokens of an answer cost 300 micro-dollars at the one and 3000 at the other."""
    first, second = two()
    first.failure = vendor_errors.Unavailable("down")
    prices = Price("openai", Decimal(5), Decimal(30)), Price("openrouter", Decimal(5), Decimal(300))
    catalog = CatalogHolder(Catalog([replace(FULL, prices=prices)]))
    call = make_call("ipop", make_services(first, second, catalog=catalog))
    with pytest.raises(Unavailable):
        await ask(call, metadata={"max_cost_usd": 0.001}, max_tokens=10)
    assert second.asked == []
    cheaper = CatalogHolder(Catalog([replace(FULL, prices=prices[:1])]))
    call = make_call("ipop", make_services(first, second, catalog=cheaper))
    assert await ask(call, metadata={"max_cost_usd": 0.001}, max_tokens=10)


@pytest.mark.parametrize(("asked", "answered", "rate"), [("priority", "default", 30), ("auto", "priority", 60)])
async def test_the_tier_that_the_vendor_answered_in_is_charged(asked: str, answered: str, rate: int) -> None:
    usage = Usage(0, 20)
    call = make_call(
        "ipop", make_services(Vendor("openai", body=spoken("hi") | {"service_tier": answered}, usage=usage))
    )
    await ask(call, service_tier=asked)
    assert call.record.cost_micros == 20 * rate
    end = Chunk(body={**chunk(STOP).body, "service_tier": answered})
    vendor = Vendor("openai", chunks=[end, Chunk(body={"choices": []}, usage=usage)])
    call = make_call("ipop", make_services(vendor))
    await frames_of(await ask(call, service_tier=asked, stream=True))
    assert call.record.cost_micros == 20 * rate


def test_every_member_of_the_metadata_is_told_of() -> None:
    told = (Path(__file__).parents[3] / "docs" / "ipop-metadata.md").read_text()
    names = re.findall(r"`([a-z_]+\*?)(?:: [a-z_]+)?`", told)
    document = orjson.loads((Path(codegen.generated.__path__[0]) / "ipop" / "openapi.json").read_bytes())
    members = document["components"]["schemas"]["PublicRequestMetadata"]["properties"]
    assert [member for member in members if not any(fnmatch(member, name) for name in names)] == []

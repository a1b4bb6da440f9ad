"""Keys that are not the server's: kept sealed, and used as the request's policy says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handlers.core import chat
from handlers.core.asks import ChatAsk, KeyWish, Policy
from handlers.core.call import Call, Caller
from handlers.core.credentials import (
    Book,
    Credential,
    Draft,
    change_credential,
    check_credential,
    create_credential,
)
from handlers.core.errors import Forbidden, Invalid, PaymentRequired, RateLimited, Unavailable
from handlers.core.models import find_model, list_models
from handlers.core.sealing import Seal
from providers.errors import ProviderError, Throttled, Unauthorized
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import NOW, make_call, make_services, said
from tests.unit.handlers.doubles import Drawer, KeyedBy, Purse

KEY = "sk-own-0123456789abcdef"


class Keyed(Vendor):
    """A vendor that can be asked whether it takes the key."""

    async def check_key(self) -> None:
        if self.failure:
            raise self.failure


def rig(own: Keyed | None = None, *hosted: Vendor, **caller: Any) -> Call:
    """A call whose project may bring keys for the vendor `own`."""
    keyed = KeyedBy(lambda vendor, key, base_url: own if own and own.name == vendor else None)
    book = Book(Drawer(), Seal(lambda: "s" * 32), keyed, lambda: NOW)
    return make_call("ipop", make_services(*hosted, credentials=book), **caller)


async def bring(call: Call, provider: str = "openai", base_url: str | None = None) -> Credential:
    return await create_credential(Draft(provider, "ours", KEY, base_url), call)


async def ask(call: Call, policy: Policy = "byok_first_with_hosted_fallback", **given: str) -> chat.Answer:
    wish = KeyWish(policy, given)
    return await chat.complete(ChatAsk(models=("openai/gpt-5.5",), messages=said("hi"), keys=wish), call)


async def test_what_is_sealed_opens_only_with_the_same_secret_and_as_the_same_thing() -> None:
    seal = Seal(lambda: "a" * 32)
    sealed = await seal.seal(KEY.encode(), "project/one")
    assert KEY.encode() not in sealed
    assert await seal.seal(KEY.encode(), "project/one") != sealed
    assert await Seal(lambda: "a" * 32).open(sealed, "project/one") == KEY.encode()
    for other, about in ((Seal(lambda: "b" * 32), "project/one"), (seal, "project/two")):
        with pytest.raises(Unavailable):
            await other.open(sealed, about)
    with pytest.raises(Unavailable):
        await seal.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "project/one")


async def test_a_key_is_kept_sealed_and_shown_by_its_end() -> None:
    call = rig(Keyed("openai"))
    made = await bring(call)
    assert made.last4 == "cdef"
    assert KEY not in repr(made)
    assert KEY.encode() not in made.sealed_key


async def test_a_projects_own_key_goes_first_and_costs_nothing_here() -> None:
    own, hosted = Keyed("openai"), Vendor("openai")
    call = rig(own, hosted)
    made = await bring(call)
    answer = await ask(call)
    assert (len(own.asked), len(hosted.asked)) == (1, 0)
    assert answer.cost_micros == call.record.cost_micros == 0
    assert call.record.prompt_tokens == 10
    assert call.record.metadata == {"provider_key": {"source": "byok", "credential_id": made.id}}
    used = (await call.services.credentials.list("project-1"))[0].last_used_at
    assert used is not None
    assert used.timestamp() == NOW


async def test_it_serves_a_model_that_the_server_has_no_key_for() -> None:
    own = Keyed("openai")
    call = rig(own)
    await bring(call)
    answer = await ask(call)
    assert not answer.attempt.simulated
    assert own.asked[0].model == "gpt-5.5"


@pytest.mark.parametrize("failure", [Unauthorized("no", status=401), Throttled("slow")])
async def test_the_servers_key_answers_when_the_own_one_fails(failure: ProviderError) -> None:
    own, hosted = Keyed("openai", failure), Vendor("openai")
    call = rig(own, hosted)
    await bring(call)
    answer = await ask(call)
    assert (len(own.asked), len(hosted.asked)) == (1, 1)
    assert answer.attempt.own is None
    assert answer.cost_micros > 0
    assert call.record.metadata is None


@pytest.mark.parametrize("policy", ["byok_only", "fail_closed_on_byok_error"])
async def test_nobody_else_answers_where_the_policy_forbids_it(policy: Policy) -> None:
    own, hosted = Keyed("openai", Unauthorized("no", status=401)), Vendor("openai")
    call = rig(own, hosted)
    await bring(call)
    with pytest.raises(Forbidden) as caught:
        await ask(call, policy)
    assert caught.value.code == "provider_key_refused"
    assert hosted.asked == []


async def test_a_failing_own_key_is_not_covered_up_by_the_simulator() -> None:
    call = rig(Keyed("openai", Unauthorized("no", status=401)))
    await bring(call)
    with pytest.raises(Forbidden):
        await ask(call)


async def test_without_a_key_of_ones_own_only_byok_only_fails() -> None:
    hosted = Vendor("openai")
    with pytest.raises(Forbidden) as caught:
        await ask(rig(None, hosted), "byok_only")
    assert caught.value.code == "policy_violation"
    await ask(rig(None, hosted), "fail_closed_on_byok_error")
    assert len(hosted.asked) == 1


async def test_hosted_only_leaves_own_keys_alone() -> None:
    own, hosted = Keyed("openai"), Vendor("openai")
    call = rig(own, hosted)
    await bring(call)
    await ask(call, "hosted_only")
    assert (len(own.asked), len(hosted.asked)) == (0, 1)


async def test_a_disabled_key_and_another_projects_key_are_not_used() -> None:
    own, hosted = Keyed("openai"), Vendor("openai")
    call = rig(own, hosted)
    made = await bring(call)
    stranger = replace(call, who=replace(call.caller, project_id="project-2"))
    await ask(stranger)
    await call.services.credentials.repository.change(replace(made, enabled=False))
    call.services.credentials.forget("project-1")
    await ask(call)
    assert (len(own.asked), len(hosted.asked)) == (0, 2)


async def test_a_key_that_came_with_the_request_goes_before_a_stored_one_and_is_kept_nowhere() -> None:
    own = Keyed("openai")
    call = rig(own)
    await bring(call)
    await ask(call, openai="sk-for-this-request-only")
    keyed = call.services.credentials.vendors
    assert isinstance(keyed, KeyedBy)
    assert [key for _, key, _ in keyed.made] == ["sk-for-this-request-only"]
    assert call.record.metadata == {"provider_key": {"source": "request"}}
    assert "sk-for-this-request-only" not in repr(call.record)


@pytest.mark.parametrize(
    ("base_url", "code"),
    [
        ("http://example.com/v1", "address_not_allowed"),
        ("https://127.0.0.1/v1", "address_not_allowed"),
        ("https://[::ffff:10.0.0.1]/v1", "address_not_allowed"),
        ("https://user:secret@example.com/v1", "address_not_allowed"),
        ("not an address", "address_not_allowed"),
    ],
)
async def test_an_address_inside_our_network_is_refused(base_url: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        await bring(rig(Keyed("openai")), base_url=base_url)
    assert (caught.value.code, caught.value.param) == (code, "base_url")


@pytest.mark.parametrize("key", ["", "   ", "has space", "line\nbreak", "ключ-0123456789", "x" * 5000])
async def test_what_can_be_no_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(Invalid) as caught:
        await create_credential(Draft("openai", "ours", key), rig())
    assert not key.strip() or key not in caught.value.message


async def test_a_tested_key_remembers_what_its_vendor_said() -> None:
    own = Keyed("openai", Unauthorized("openai: refused our key", status=401))
    call = rig(own)
    made = await bring(call)
    failed = await check_credential(made.id, call)
    assert (failed.last_error, failed.last_tested_at is None) == ("openai: refused our key", False)
    own.failure = None
    assert (await check_credential(made.id, call)).last_error is None


async def test_there_is_an_end_to_the_credentials_of_a_project() -> None:
    call = rig()
    for _ in range(100):
        await bring(call)
    with pytest.raises(Invalid, match="at most"):
        await bring(call)


async def test_without_credits_only_the_projects_own_keys_answer() -> None:
    own, hosted = Keyed("openai"), Vendor("openai")
    keyed = KeyedBy(lambda vendor, key, base_url: own if vendor == "openai" else None)
    book = Book(Drawer(), Seal(lambda: "s" * 32), keyed, lambda: NOW)
    call = make_call("ipop", make_services(hosted, credentials=book, quota=Purse(solvent=False)))
    with pytest.raises(PaymentRequired):
        await ask(call)
    await bring(call)
    assert (await ask(call)).cost_micros == 0
    own.failure = Throttled("slow down")
    with pytest.raises(RateLimited):
        await ask(call)
    with pytest.raises(PaymentRequired):
        await ask(call, "hosted_only")
    assert hosted.asked == []


async def test_a_model_is_there_for_those_who_have_a_key_for_it() -> None:
    keyed = KeyedBy(lambda vendor, key, base_url: Keyed(vendor))
    book = Book(Drawer(), Seal(lambda: "s" * 32), keyed, lambda: NOW)
    call = make_call("ipop", make_services(profile="production", inference={}, credentials=book))
    assert not any(offer.available for offer in await list_models(call) if offer.model.kind == "chat")
    made = await bring(call, "openrouter")
    offers = {offer.model.id: offer for offer in await list_models(call)}
    assert [name for name, offer in offers.items() if offer.own] == ["openai/gpt-5.5"]
    served = offers["openai/gpt-5.5"]
    assert (served.available, served.provider, served.deployments) == (True, "openrouter", ())
    others = replace(call, who=Caller("project-2", "other", "key-2"))
    found = await find_model("openai/gpt-5.5", others)
    assert found is not None
    assert not found.available
    await change_credential(made.id, {"enabled": False}, call)
    found = await find_model("openai/gpt-5.5", call)
    assert found is not None
    assert not found.available

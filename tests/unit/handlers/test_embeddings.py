"""Embeddings in the three APIs that have them, over one model of a vendor made by hand."""

from __future__ import annotations

import asyncio
from array import array
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from codegen.operation import Body
from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder, Deployment, Price
from handlers.core.credentials import Book, Draft, create_credential
from handlers.core.errors import CoreError, Forbidden, Invalid, NotFound, RateLimited, Unavailable, UpstreamFailed
from handlers.core.sealing import Seal
from handlers.core.services import Services, Traits
from handlers.ipop import embeddings as ipop
from handlers.llama_stack import inference as llama_stack
from handlers.llama_stack_deprecated import inference as deprecated
from providers.embeddings.interface import Embedder, Embeddings, EmbeddingsRequest
from providers.embeddings.limited import LimitedByModel
from providers.errors import BrokenAnswer, ProviderError, Refused, Throttled
from providers.errors import Unavailable as VendorUnavailable
from tests.unit.handlers.bench import EMBEDDER, FULL, NOW, body_of, check_answer, make_call, make_services
from tests.unit.handlers.doubles import Drawer, KeyedBy, Purse

MODEL = replace(
    EMBEDDER,
    id="embed-1",
    deployments=(Deployment("near", "embed-one"), Deployment("far", "embed-1")),
    prices=(Price("near", Decimal("0.5"), Decimal(0)),),
    embedding_dimensions=3,
)


@dataclass
class Vendor:
    """Every text is `[its length, 0.5, its number]`; `faults` are raised first, one a call."""

    name: str = "near"
    fault: ProviderError | None = None
    faults: list[ProviderError] = field(default_factory=list)
    held: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: int | None = 12
    seen: list[EmbeddingsRequest] = field(default_factory=list)

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        self.seen.append(request)
        self.begun.set()
        if self.held:
            await self.held.wait()
        if self.fault or self.faults:
            raise self.fault or self.faults.pop(0)
        vectors = [array("f", [len(text), 0.5, number]) for number, text in enumerate(request.texts)]
        return Embeddings(vectors, self.tokens)

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        return sum(map(len, texts))

    async def close(self) -> None: ...


def serving(*vendors: Embedder, **changes: Any) -> Services:
    """The first deployment comes first: `random` is the same for both."""
    made: dict[str, Any] = {
        "catalog": CatalogHolder(Catalog([MODEL, FULL, EMBEDDER])),
        "embeddings": {vendor.name: vendor for vendor in vendors},
    }
    return make_services(**(made | changes))


@dataclass(frozen=True)
class Dialect:
    api: str
    operation: str
    create: Callable[[Body[Any], Call], Any]
    model_field: str
    texts_field: str

    async def ask(self, call: Call, texts: Any = ("hello", "you"), **data: Any) -> Any:
        texts = list(texts) if isinstance(texts, tuple) else texts
        body = {self.model_field: "embed-1", self.texts_field: texts} | data
        return check_answer(self.api, self.operation, await self.create(body_of(body), call))


IPOP = Dialect("ipop", "POST /embeddings", ipop.embeddings_create, "model", "input")
LLAMA = Dialect("llama_stack", "POST /v1/inference/embeddings", llama_stack.embeddings_create, "model_id", "contents")
DEPRECATED = Dialect(
    "llama_stack_deprecated", "POST /v1/openai/v1/embeddings", deprecated.embeddings_create, "model", "input"
)
each = pytest.mark.parametrize("dialect", [IPOP, LLAMA, DEPRECATED], ids=lambda dialect: dialect.api)
openai_shaped = pytest.mark.parametrize("dialect", [IPOP, DEPRECATED], ids=lambda dialect: dialect.api)


def vectors_of(content: Any) -> list[Any]:
    return content.get("embeddings") or [entry["embedding"] for entry in content["data"]]


@each
async def test_every_text_has_its_vector(dialect: Dialect) -> None:
    content = await dialect.ask(make_call(dialect.api, serving(Vendor())))
    assert vectors_of(content) == [[5.0, 0.5, 0.0], [3.0, 0.5, 1.0]]


@each
async def test_the_record_tells_what_was_used_and_what_it_cost(dialect: Dialect) -> None:
    purse = Purse()
    call = make_call(dialect.api, serving(Vendor(), quota=purse))
    await dialect.ask(call)
    record = call.record
    assert (record.model, record.provider, record.upstream_model) == ("embed-1", "near", "embed-one")
    assert (record.prompt_tokens, record.completion_tokens, record.cost_micros) == (12, 0, 6)
    assert purse.settled == [(12, 6)]


@each
async def test_a_vendor_that_does_not_count_is_counted_for(dialect: Dialect) -> None:
    call = make_call(dialect.api, serving(Vendor(tokens=None)))
    await dialect.ask(call)
    assert call.record.prompt_tokens == len("helloyou")


@each
async def test_a_vendor_that_fails_is_replaced_by_the_next(dialect: Dialect) -> None:
    call = make_call(dialect.api, serving(Vendor(fault=VendorUnavailable("away")), Vendor("far")))
    await dialect.ask(call)
    assert call.record.provider == "far"


@each
async def test_a_failure_that_passes_is_tried_again(dialect: Dialect) -> None:
    vendor = Vendor(faults=[VendorUnavailable("away"), Throttled("slow down", retry_after_seconds=1)])
    await dialect.ask(make_call(dialect.api, serving(vendor)))
    assert len(vendor.seen) == 3


@each
async def test_a_vendor_that_keeps_failing_is_left_alone(dialect: Dialect) -> None:
    vendor = Vendor(fault=VendorUnavailable("away"))
    services = serving(vendor)
    for _ in range(3):
        with pytest.raises(Unavailable) as refused:
            await dialect.ask(make_call(dialect.api, services))
    assert len(vendor.seen) == 5
    assert int(refused.value.headers["Retry-After"]) >= 1


@each
async def test_who_comes_when_the_queue_is_full_is_told_to_come_back(dialect: Dialect) -> None:
    held = asyncio.Event()
    vendor = Vendor(held=held)
    services = serving(LimitedByModel(vendor, running=1, waiting=0))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(dialect.ask(make_call(dialect.api, services)))
        await vendor.begun.wait()
        with pytest.raises(Unavailable) as refused:
            await dialect.ask(make_call(dialect.api, services))
        held.set()
    assert vectors_of(first.result())
    assert (refused.value.code, refused.value.headers) == ("capacity_unavailable", {"Retry-After": "1"})


async def with_own_key(services: Services, own: Vendor) -> Services:
    """The project has a key of its own for the vendor `near`."""
    made = KeyedBy(make_embedder=lambda vendor, key, base_url: own if vendor == own.name else None)
    book = Book(Drawer(), Seal(lambda: "s" * 32), made, lambda: NOW)
    services = replace(services, credentials=book)
    await create_credential(Draft("near", "ours", "sk-own-0123456789"), make_call("ipop", services))
    return services


@each
async def test_a_projects_own_key_goes_first_and_costs_nothing_here(dialect: Dialect) -> None:
    hosted, own, purse = Vendor(), Vendor(), Purse(solvent=False)
    call = make_call(dialect.api, await with_own_key(serving(hosted, quota=purse), own))
    content = await dialect.ask(call)
    assert (len(hosted.seen), len(own.seen)) == (0, 1)
    assert (call.record.prompt_tokens, call.record.cost_micros, purse.settled) == (12, 0, [(12, 0)])
    told = (call.record.metadata or {})["provider_key"]
    assert told["source"] == "byok"
    if dialect is IPOP:
        assert content["ipop"]["provider_key"] == told


@each
async def test_without_credits_the_servers_key_does_not_stand_in(dialect: Dialect) -> None:
    hosted, own = Vendor(), Vendor(fault=VendorUnavailable("away"))
    services = await with_own_key(serving(hosted, quota=Purse(solvent=False)), own)
    with pytest.raises(Unavailable):
        await dialect.ask(make_call(dialect.api, services))
    assert hosted.seen == []


async def test_llama_stack_brings_a_key_for_one_request() -> None:
    hosted, own = Vendor(), Vendor()
    made = KeyedBy(make_embedder=lambda vendor, key, base_url: own)
    book = Book(Drawer(), Seal(lambda: "s" * 32), made, lambda: NOW)
    call = make_call(LLAMA.api, serving(hosted, credentials=book))
    call = replace(call, headers={"x-llamastack-provider-data": '{"near_api_key": "sk-once"}'})
    await LLAMA.ask(call)
    assert (len(hosted.seen), len(own.seen), made.made) == (0, 1, [("near", "sk-once", None)])


async def test_ipop_steers_embeddings_as_it_does_chats() -> None:
    near, far = Vendor(fault=VendorUnavailable("away")), Vendor("far")
    with pytest.raises(Unavailable):
        await IPOP.ask(make_call("ipop", serving(near, far)), metadata={"disable_external_fallback": True})
    traits = {"near": Traits(), "far": Traits(internal=True, private=True)}
    services = serving(Vendor(), Vendor("far"), traits=traits.__getitem__)
    content = await IPOP.ask(make_call("ipop", services), metadata={"fallback_profile": "privacy_first"})
    assert content["ipop"]["route_class"] == "ipop_network"
    assert content["ipop"]["route_preference"] == {
        "fallback_profile": "privacy_first",
        "provider": "far",
        "session_affinity": False,
    }
    with pytest.raises(Invalid, match="there is no region"):
        await IPOP.ask(make_call("ipop", services), metadata={"require_region": "moon"})


@each
async def test_what_a_vendor_refuses_no_other_is_asked(dialect: Dialect) -> None:
    other = Vendor("far")
    fault = Refused("too long", param="input", code="context_length_exceeded")
    purse = Purse()
    with pytest.raises(Invalid, match="too long") as caught:
        await dialect.ask(make_call(dialect.api, serving(Vendor(fault=fault), other, quota=purse)))
    assert caught.value.code == "context_length_exceeded"
    assert other.seen == []
    assert purse.settled == [(0, 0)]


@each
@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("nobody", NotFound, "model_not_found"),
        ("openai/gpt-5.5", Invalid, "model_does_not_support_embeddings"),
        ("local/all-minilm-l6-v2", Unavailable, "model_unavailable"),
    ],
)
async def test_a_model_that_cannot_is_named(dialect: Dialect, model: str, error: type[CoreError], code: str) -> None:
    with pytest.raises(error) as caught:
        await dialect.ask(make_call(dialect.api, serving(Vendor())), **{dialect.model_field: model})
    assert (caught.value.code, caught.value.param) == (code, "model")


@each
async def test_a_key_for_other_models_may_not(dialect: Dialect) -> None:
    call = make_call(dialect.api, serving(Vendor()), models=frozenset({"openai/gpt-5.5"}))
    with pytest.raises(Forbidden):
        await dialect.ask(call)


@each
async def test_limits_hold_before_anybody_is_asked(dialect: Dialect) -> None:
    vendor = Vendor()
    with pytest.raises(RateLimited):
        await dialect.ask(make_call(dialect.api, serving(vendor, quota=Purse(refuse=RateLimited("enough")))))
    assert vendor.seen == []


@each
async def test_a_broken_answer_is_the_upstreams_fault(dialect: Dialect) -> None:
    with pytest.raises(UpstreamFailed):
        await dialect.ask(make_call(dialect.api, serving(Vendor(fault=BrokenAnswer("no vectors")))))


@each
@pytest.mark.parametrize("texts", [[], ["x"] * 2049])
async def test_nothing_and_too_much_are_refused(dialect: Dialect, texts: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        await dialect.ask(make_call(dialect.api, serving(Vendor())), texts)
    assert caught.value.param == dialect.texts_field


@openai_shaped
async def test_base64_holds_the_same_numbers(dialect: Dialect) -> None:
    content = await dialect.ask(make_call(dialect.api, serving(Vendor())), encoding_format="base64")
    packed = [array("f", b64decode(text)) for text in vectors_of(content)]
    assert [list(vector) for vector in packed] == [[5.0, 0.5, 0.0], [3.0, 0.5, 1.0]]


@openai_shaped
async def test_one_text_needs_no_list(dialect: Dialect) -> None:
    content = await dialect.ask(make_call(dialect.api, serving(Vendor())), "hello")
    assert vectors_of(content) == [[5.0, 0.5, 0.0]]
    assert content["model"] == "embed-1"
    assert (content["usage"]["prompt_tokens"], content["usage"]["total_tokens"]) == (12, 12)


@openai_shaped
async def test_dimensions_and_what_else_is_said_reach_the_vendor(dialect: Dialect) -> None:
    vendor = Vendor()
    await dialect.ask(make_call(dialect.api, serving(vendor)), dimensions=3, user="u-1")
    (request,) = vendor.seen
    assert (request.dimensions, request.truncate, request.options) == (3, False, {"user": "u-1"})


@openai_shaped
@pytest.mark.parametrize("dimensions", [-1, 0, 4, 1e30])
async def test_dimensions_that_the_model_cannot_have_are_refused(dialect: Dialect, dimensions: float) -> None:
    with pytest.raises(Invalid) as caught:
        await dialect.ask(make_call(dialect.api, serving(Vendor())), dimensions=dimensions)
    assert caught.value.param == "dimensions"


async def test_an_encoding_that_is_none_is_refused_where_the_document_leaves_it_open() -> None:
    with pytest.raises(Invalid, match="float or base64"):
        await DEPRECATED.ask(make_call(DEPRECATED.api, serving(Vendor())), encoding_format="hex")


async def test_ipop_tells_how_it_came_about() -> None:
    call = make_call("ipop", serving(Vendor(fault=VendorUnavailable("away")), Vendor("far")))
    content = await IPOP.ask(call, metadata={"priority": "realtime"})
    assert content["id"].startswith("emb-")
    assert content["ipop"] == {
        "request_id": "req-1",
        "latency_ms": 250,
        "cost_usd": 0.000006,
        "cache_hit": False,
        "fallback_used": True,
        "fallback_count": 1,
        "route_class": "external_capacity",
    }
    assert call.record.metadata == {"metadata": {"priority": "realtime"}}


async def test_ipop_keeps_to_what_it_may_cost() -> None:
    """Eight tokens at half a dollar a million."""
    await IPOP.ask(make_call("ipop", serving(Vendor())), metadata={"max_cost_usd": 0.000004})
    with pytest.raises(Invalid) as caught:
        await IPOP.ask(make_call("ipop", serving(Vendor())), metadata={"max_cost_usd": 0.000003})
    assert caught.value.code == "max_cost_exceeded"


async def test_ipop_does_not_use_our_keys_where_only_the_projects_own_are_allowed() -> None:
    with pytest.raises(Forbidden):
        await IPOP.ask(make_call("ipop", serving(Vendor())), metadata={"byok_fallback_policy": "byok_only"})


async def test_llama_stack_reads_interleaved_texts_and_lets_them_be_cut() -> None:
    vendor = Vendor()
    text = {"type": "text", "text": "you"}
    await LLAMA.ask(make_call(LLAMA.api, serving(vendor)), ["hello", text, [text, text]])
    (request,) = vendor.seen
    assert (request.texts, request.truncate) == (("hello", "you", "you\nyou"), True)


@pytest.mark.parametrize("place", ["alone", "among"])
async def test_llama_stack_refuses_images(place: str) -> None:
    image = {"type": "image", "image": {"url": {"uri": "https://example.com/a.png"}}}
    contents = [image] if place == "alone" else [[{"type": "text", "text": "see"}, image]]
    with pytest.raises(Invalid, match="take no images") as caught:
        await LLAMA.ask(make_call(LLAMA.api, serving(Vendor())), contents)
    assert (caught.value.code, caught.value.param) == ("images_not_supported", "contents")

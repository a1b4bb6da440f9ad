"""Keys that come with a request, and batches."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder, Deployment
from handlers.core.credentials import Book
from handlers.core.errors import Forbidden, Invalid, NotFound
from handlers.core.sealing import Seal
from handlers.llama_stack.batch_inference import batch_chat_completions_create, batch_completions_create
from handlers.llama_stack.inference import chat_completions_create, embeddings_create
from handlers.llama_stack_deprecated import inference as deprecated
from handlers.llama_stack_deprecated.responses import responses_create
from providers.embeddings.interface import Embeddings, EmbeddingsRequest
from providers.errors import ProviderError, Unauthorized
from providers.inference.interface import ChatRequest, Completion
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import EMBEDDER, NOW, body_of, check_answer, make_call, make_services
from tests.unit.handlers.doubles import Drawer, KeyedBy

KEY = "sk-for-one-request-only"
CHATS, TEXTS = "POST /v1/batch-inference/chat-completion", "POST /v1/batch-inference/completion"


def call_with(header: Any, own: Vendor | None = None) -> Call:
    keyed = KeyedBy(lambda vendor, key, base_url: own if vendor == "openai" else None)
    book = Book(Drawer(), Seal(lambda: "s" * 32), keyed, lambda: NOW)
    call = make_call("llama_stack", make_services(credentials=book))
    text = header if isinstance(header, str) else orjson.dumps(header).decode()
    return replace(call, headers={**call.headers, "x-llamastack-provider-data": text})


async def chat(call: Call) -> Any:
    body = {"model_id": "openai/gpt-5.5", "messages": [{"role": "user", "content": "hi"}]}
    return await chat_completions_create(body_of(body), call)


async def test_a_key_of_the_request_answers_it() -> None:
    own = Vendor("openai")
    call = call_with({"openai_api_key": KEY, "tavily_search_api_key": "other", "note": 5}, own)
    await chat(call)
    keyed = call.services.credentials.vendors
    assert isinstance(keyed, KeyedBy)
    assert ("openai", KEY, None) in keyed.made
    assert len(own.asked) == 1
    assert await call.services.credentials.list("project-1") == ()
    assert KEY not in repr(call.record)


async def test_a_key_of_the_request_that_is_refused_is_not_replaced_by_ours() -> None:
    with pytest.raises(Forbidden) as caught:
        await chat(call_with({"openai_api_key": KEY}, Vendor("openai", Unauthorized("no", status=401))))
    assert caught.value.code == "provider_key_refused"


@pytest.mark.parametrize(
    "header", ["", "{", "[]", '"x"', "null", {"openai_api_key": 5}, {"openai_api_key": f"{KEY} x"}], ids=str
)
async def test_a_malformed_header_is_refused_without_repeating_it(header: Any) -> None:
    with pytest.raises(Invalid) as caught:
        await chat(call_with(header))
    assert KEY not in caught.value.message


async def test_a_batch_answers_each_conversation_under_both_names() -> None:
    call = make_call("llama_stack")
    body = {"model": "openai/gpt-5.5", "messages_batch": [[{"role": "user", "content": f"n {n}"}] for n in range(20)]}
    content = check_answer("llama_stack", CHATS, await batch_chat_completions_create(body_of(body), call))
    messages = content["completion_message_batch"]
    assert [response["completion_message"] for response in content["batch"]] == messages
    assert all(f'"n {n}"' in message["content"] for n, message in enumerate(messages))
    assert call.record.completion_tokens > 20
    assert call.record.model == "openai/gpt-5.5"


async def test_a_batch_of_texts_is_answered_as_messages() -> None:
    body = {"model": "openai/gpt-5.5", "content_batch": ["Once", "Twice"], "sampling_params": {"max_tokens": 3}}
    call = make_call("llama_stack")
    content = check_answer("llama_stack", TEXTS, await batch_completions_create(body_of(body), call))
    messages = content["completion_message_batch"]
    assert [message["stop_reason"] for message in messages] == ["out_of_tokens"] * 2
    assert [response["content"] for response in content["batch"]] == [message["content"] for message in messages]
    assert call.record.completion_tokens == 6


async def test_log_probabilities_of_a_batch_stand_where_there_is_a_place_for_them() -> None:
    body = {"model": "openai/gpt-5.5", "content_batch": ["Once"], "logprobs": {"top_k": 1}}
    content = check_answer(
        "llama_stack", TEXTS, await batch_completions_create(body_of(body), make_call("llama_stack"))
    )
    assert content["batch"][0]["logprobs"]
    assert "logprobs" not in content["completion_message_batch"][0]


async def test_an_empty_batch_has_an_empty_answer() -> None:
    body = {"model": "openai/gpt-5.5", "messages_batch": []}
    content = check_answer("llama_stack", CHATS, await batch_chat_completions_create(body_of(body), make_call("l")))
    assert content == {"completion_message_batch": [], "batch": []}


async def test_a_batch_has_a_largest_size() -> None:
    for operation, body in (
        (batch_chat_completions_create, {"messages_batch": [[{"role": "user", "content": "Hi"}]] * 1001}),
        (batch_completions_create, {"content_batch": ["Once"] * 1001}),
    ):
        with pytest.raises(Invalid, match="at most 1000 items"):
            await operation(body_of({"model": "openai/gpt-5.5", **body}), make_call("llama_stack"))


class Slow(Vendor):
    """Remembers how many calls ran at once."""

    running = 0
    most = 0

    async def chat(self, request: ChatRequest) -> Completion:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.running -= 1
        return await super().chat(request)


async def test_a_batch_runs_together_but_within_bounds() -> None:
    slow = Slow("openai")
    body = {"model": "openai/gpt-5.5", "messages_batch": [[{"role": "user", "content": "hi"}]] * 20}
    await batch_chat_completions_create(body_of(body), make_call("llama_stack", make_services(slow)))
    assert (len(slow.asked), slow.most) == (20, 8)


async def test_one_bad_item_fails_the_batch_and_is_named() -> None:
    good: list[Any] = [{"role": "user", "content": "hi"}]
    body = {"model": "openai/gpt-5.5", "messages_batch": [good, [], good]}
    with pytest.raises(Invalid, match=r"^messages_batch\[1\]: messages must not be empty"):
        await batch_chat_completions_create(body_of(body), make_call("llama_stack"))
    picture = {"role": "user", "content": {"type": "image", "image": {}}}
    with pytest.raises(Invalid, match=r"^messages_batch\[1\]: an image needs"):
        await batch_chat_completions_create(
            body_of(body | {"messages_batch": [good, [picture]]}), make_call("llama_stack")
        )
    with pytest.raises(NotFound, match=r"^messages_batch\[0\]: "):
        await batch_chat_completions_create(body_of(body | {"model": "gone"}), make_call("llama_stack"))


class Maker:
    """Makes vectors under a caller's key."""

    name = "openai"

    def __init__(self, failure: ProviderError | None = None) -> None:
        self.failure = failure
        self.asked = 0

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        self.asked += 1
        if self.failure:
            raise self.failure
        return Embeddings([array("f", [0.5, 0.5]) for _ in request.texts], 3)

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        return 3

    async def close(self) -> None:
        pass


VECTORS = replace(EMBEDDER, id="openai/vectors", deployments=(Deployment("openai", "vectors"),))


def call_to_embed(api: str, maker: Maker) -> Call:
    keyed = KeyedBy(lambda vendor, key, base_url: Vendor(vendor), lambda vendor, key, base_url: maker)
    book = Book(Drawer(), Seal(lambda: "s" * 32), keyed, lambda: NOW)
    services = make_services(credentials=book, catalog=CatalogHolder(Catalog([VECTORS])))
    headers = {"x-llamastack-provider-data": orjson.dumps({"openai_api_key": KEY}).decode()}
    return replace(make_call(api, services), headers=headers)


async def embed_in_january(call: Call) -> Any:
    return await embeddings_create(body_of({"model_id": VECTORS.id, "contents": ["hi"]}), call)


async def embed_in_october(call: Call) -> Any:
    return await deprecated.embeddings_create(body_of({"model": VECTORS.id, "input": "hi"}), call)


@pytest.mark.parametrize(
    ("api", "embed"), [("llama_stack", embed_in_january), ("llama_stack_deprecated", embed_in_october)]
)
async def test_embeddings_are_made_with_a_key_of_the_request(api: str, embed: Any) -> None:
    maker = Maker()
    call = call_to_embed(api, maker)
    await embed(call)
    assert maker.asked == 1
    assert (call.record.prompt_tokens, call.record.cost_micros) == (3, 0)
    assert call.record.metadata == {"provider_key": {"source": "request"}}
    with pytest.raises(Forbidden) as caught:
        await embed(call_to_embed(api, Maker(Unauthorized("no", status=401))))
    assert caught.value.code == "provider_key_refused"


@pytest.mark.parametrize(
    ("create", "body"),
    [
        (deprecated.chat_completions_create, {"messages": [{"role": "user", "content": "hi"}]}),
        (deprecated.completions_create, {"prompt": "hi"}),
        (responses_create, {"input": "hi", "store": False}),
    ],
)
async def test_the_deprecated_api_reads_keys_of_the_request_too(create: Any, body: dict[str, Any]) -> None:
    own = Vendor("openai")
    own.body["choices"][0] |= {"text": "hello"}
    await create(body_of({"model": "openai/gpt-5.5", **body}), call_with({"openai_api_key": KEY}, own))
    assert len(own.asked) == 1
    with pytest.raises(Invalid):
        await create(body_of({"model": "openai/gpt-5.5", **body}), call_with("["))

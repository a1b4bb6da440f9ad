"""Embeddings by the model that comes with the server, over every API that has them."""

from __future__ import annotations

from array import array
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest

from tests.journeys.dialects import DEPRECATED, IPOP, LLAMA, Dialect
from tests.journeys.ledger import LedgerReader
from tests.journeys.test_errors import check
from tests.live import LiveServer

MODEL = "local/all-minilm-l6-v2"
TEXTS = ["The cat sits outside.", "A kitten is in the garden.", "Interest rates rose again."]
"""The first two are near each other, the third is far from both."""


@dataclass(frozen=True)
class Embedding:
    dialect: Dialect
    path: str
    texts_field: str

    @property
    def url(self) -> str:
        return self.dialect.prefix + self.path

    def post(self, client: httpx.Client, texts: Any = TEXTS, model: str = MODEL, **more: Any) -> httpx.Response:
        return client.post(self.url, json={self.dialect.model_field: model, self.texts_field: texts, **more})

    def vectors(self, answer: httpx.Response) -> list[Any]:
        assert answer.status_code == 200, answer.text
        content = answer.json()
        return content.get("embeddings") or [entry["embedding"] for entry in content["data"]]


ON_IPOP = Embedding(IPOP, "/embeddings", "input")
ON_LLAMA = Embedding(LLAMA, "/v1/inference/embeddings", "contents")
ON_DEPRECATED = Embedding(DEPRECATED, "/v1/openai/v1/embeddings", "input")

each = pytest.mark.parametrize("api", [ON_IPOP, ON_LLAMA, ON_DEPRECATED], ids=lambda api: api.dialect.api)
openai_shaped = pytest.mark.parametrize("api", [ON_IPOP, ON_DEPRECATED], ids=lambda api: api.dialect.api)


def likeness(one: Sequence[float], two: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True))


@each
def test_texts_that_mean_the_same_are_near_each_other(client: httpx.Client, api: Embedding) -> None:
    cat, kitten, rates = api.vectors(api.post(client))
    assert {len(cat), len(kitten), len(rates)} == {384}
    assert likeness(cat, cat) == pytest.approx(1, abs=1e-5)
    assert likeness(cat, kitten) > max(likeness(cat, rates), likeness(kitten, rates)) + 0.3


def test_every_api_gives_the_same_vectors(client: httpx.Client) -> None:
    found = [api.vectors(api.post(client)) for api in (ON_IPOP, ON_LLAMA, ON_DEPRECATED)]
    assert found[0] == found[1] == found[2]


@openai_shaped
def test_base64_holds_the_same_numbers_as_floats(client: httpx.Client, api: Embedding) -> None:
    floats = api.vectors(api.post(client, encoding_format="float"))
    packed = api.vectors(api.post(client, encoding_format="base64"))
    assert [list(array("f", b64decode(text))) for text in packed] == floats


@openai_shaped
def test_openais_client_reads_them(server: LiveServer, api: Embedding) -> None:
    base_url = server.url + api.url.removesuffix("/embeddings")
    with openai.OpenAI(base_url=base_url, api_key=server.key, max_retries=0) as client:
        usual = client.embeddings.create(model=MODEL, input=TEXTS)
        floats = client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    assert [entry.embedding for entry in usual.data] == [entry.embedding for entry in floats.data]
    assert usual.usage.total_tokens == usual.usage.prompt_tokens > 15


@each
def test_a_model_that_chats_makes_no_embeddings(client: httpx.Client, api: Embedding) -> None:
    check(api.dialect, api.post(client, model="simulator/chat"), 400)


@each
def test_wrong_input_is_told_in_the_shape_of_the_api(client: httpx.Client, api: Embedding) -> None:
    for texts in ([], [1, 2], [[1, 2]], {"a": "b"}, None):
        check(api.dialect, api.post(client, texts), 400)
    check(api.dialect, client.post(api.url, json={api.dialect.model_field: MODEL}), 400)
    check(api.dialect, api.post(client, model="no-such-model"), 404)


@openai_shaped
def test_dimensions_that_mean_nothing_are_refused(client: httpx.Client, api: Embedding) -> None:
    assert len(api.vectors(api.post(client, dimensions=384))[0]) == 384
    for dimensions in (0, 256, 385):
        check(api.dialect, api.post(client, dimensions=dimensions), 400)


@openai_shaped
def test_a_text_that_is_too_long_is_refused(client: httpx.Client, api: Embedding) -> None:
    answer = api.post(client, "word " * 600)
    check(api.dialect, answer, 400)
    assert "512 tokens" in answer.text


def test_ipop_names_a_text_that_is_too_long(client: httpx.Client) -> None:
    assert ON_IPOP.post(client, "word " * 600).json()["code"] == "context_length_exceeded"


def test_llama_stack_reads_the_beginning_of_a_text_that_is_too_long(client: httpx.Client) -> None:
    long, beginning = ON_LLAMA.vectors(ON_LLAMA.post(client, ["word " * 600, "word " * 510]))
    assert long == pytest.approx(beginning, abs=1e-6)


def test_llama_stack_refuses_images(client: httpx.Client) -> None:
    image = {"type": "image", "image": {"url": {"uri": "https://example.com/a.png"}}}
    check(LLAMA, ON_LLAMA.post(client, [image]), 400)


@each
def test_the_record_has_the_tokens_and_belongs_to_its_project(
    server: LiveServer, other: httpx.Client, api: Embedding
) -> None:
    ledger = LedgerReader.of(server)
    answer = api.post(other, ["hello world", "hello"])
    record = ledger.settled("other", answer.headers["x-request-id"])
    assert (record.api, record.operation_id, record.state) == (api.dialect.api, "embeddings_create", "completed")
    assert (record.model, record.provider, record.upstream_model) == (MODEL, "local", "all-minilm-l6-v2")
    assert (record.prompt_tokens, record.completion_tokens, record.cost_micros) == (7, 0, 0)
    assert ledger.get("default", record.request_id) is None


@each
def test_a_model_is_embedded_with_by_the_project_that_registered_it(
    client: httpx.Client, other: httpx.Client, api: Embedding
) -> None:
    wanted = {"model_id": "my/embedder", "provider_id": "local", "provider_model_id": "all-minilm-l6-v2"}
    made = client.post("/llama-stack/v1/models", json={**wanted, "model_type": "embedding"})
    assert made.status_code == 200, made.text
    assert api.vectors(api.post(client, model="my/embedder")) == api.vectors(api.post(client))
    check(api.dialect, api.post(other, model="my/embedder"), 404)


@each
def test_embeddings_need_a_key(stranger: httpx.Client, api: Embedding) -> None:
    check(api.dialect, api.post(stranger), 401)


def test_an_estimate_counts_what_embeddings_then_use(client: httpx.Client) -> None:
    found = client.post("/ipop/v1/estimate", json={"model": MODEL, "input": TEXTS})
    assert found.status_code == 200, found.text
    used = ON_IPOP.post(client).json()["usage"]["prompt_tokens"]
    assert (found.json()["kind"], found.json()["estimated_prompt_tokens"]) == ("embeddings", used)


def test_an_estimate_is_what_the_chat_then_costs(client: httpx.Client) -> None:
    request = IPOP.chat("claude-sonnet-4.6", max_tokens=3)
    found = client.post("/ipop/v1/estimate", json=request)
    assert found.status_code == 200, found.text
    answered = client.post(IPOP.url, json=request).json()
    assert answered["usage"]["completion_tokens"] == 3
    assert found.json()["estimated_cost_usd"] == answered["ipop"]["cost_usd"] > 0


def test_everybody_may_ask_which_model_to_take(stranger: httpx.Client) -> None:
    request = {"task": "coding", "require_tools": True, "max_cost_per_million_output_usd": 5}
    answer = stranger.post("/ipop/v1/model-recommendations", json=request)
    assert answer.status_code == 200, answer.text
    first, *rest = answer.json()["recommendations"]
    assert "recommended for coding" in first["reason"]
    assert first["score"] >= max(one["score"] for one in rest)
    assert max(one["output_token_rate"] for one in (first, *rest)) <= 0.000005
    check(IPOP, stranger.post("/ipop/v1/model-recommendations", json={"quality_tier": "best"}), 400)

"""What every implementation of `Embedder` does, and what each does by itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from array import array
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import hypot
from typing import Any

import pytest

from providers.embeddings.interface import Embedder, Embeddings, EmbeddingsRequest, Vector
from providers.embeddings.local import MOST_CHARACTERS, Local
from providers.embeddings.openai_compatible import OpenAICompatible
from providers.errors import (
    BrokenAnswer,
    ProviderError,
    Refused,
    Saturated,
    Throttled,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from providers.http import HttpClient, Timeouts
from providers.vendor import Vendor
from tests.contract.providers.fake_vendor import FakeVendor, Reply, json_reply
from tests.contract.providers.rigs import HASTY, KEY, NOW, PATIENT
from tests.live import ROOT

TEXTS = ["The cat sits outside.", "A kitten is in the garden.", "Interest rates rose again."]
"""The first two are near each other, the third is far from both."""
VECTORS = [[0.6, 0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]]


@dataclass
class Rig:
    embedder: Embedder
    model: str
    dimensions: int
    vendor: FakeVendor | None = None

    async def embed(self, texts: Sequence[str], **more: Any) -> Embeddings:
        return await self.embedder.embed(EmbeddingsRequest(self.model, texts, **more))


def openai_body(vectors: Sequence[Any], **usage: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": number, "embedding": vector} for number, vector in enumerate(vectors)]
    return {"object": "list", "model": "embed-1", "data": data, "usage": usage}


@asynccontextmanager
async def vendor_rig(timeouts: Timeouts = PATIENT) -> AsyncIterator[Rig]:
    http = HttpClient(timeouts)
    async with FakeVendor().running() as vendor:
        vendor.reply = json_reply(openai_body(VECTORS, prompt_tokens=15, total_tokens=15))
        row = Vendor("openai", vendor.url + "/v1", KEY)
        yield Rig(OpenAICompatible(row, http, lambda: NOW), "embed-1", 3, vendor)
    await http.close()


@pytest.fixture(scope="module")
def embedded_model() -> Iterator[Local]:
    """Loaded once."""
    local = Local()
    yield local
    asyncio.run(local.close())


@pytest.fixture
def local(embedded_model: Local) -> Rig:
    return Rig(embedded_model, "all-minilm-l6-v2", 384)


@pytest.fixture
async def remote() -> AsyncIterator[Rig]:
    async with vendor_rig() as rig:
        yield rig


@pytest.fixture(params=["local", "openai"])
async def rig(request: pytest.FixtureRequest, local: Rig) -> AsyncIterator[Rig]:
    """Each implementation."""
    if request.param == "local":
        yield local
        return
    async with vendor_rig() as found:
        yield found


def likeness(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_every_text_gets_a_vector_of_unit_length_in_its_order(rig: Rig) -> None:
    first, second, third = (await rig.embed(TEXTS)).vectors
    for vector in (first, second, third):
        assert isinstance(vector, array)
        assert (vector.typecode, len(vector)) == ("f", rig.dimensions)
        assert hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert likeness(first, second) > 0.4
    assert likeness(first, third) < likeness(first, second) - 0.3
    assert likeness(second, third) < likeness(first, second) - 0.3


async def test_tokens_are_told(rig: Rig) -> None:
    told = (await rig.embed(TEXTS)).prompt_tokens
    assert told is not None
    assert abs(told - await rig.embedder.count_tokens(rig.model, TEXTS)) <= 10


async def test_the_models_own_number_of_dimensions_may_be_asked_for(rig: Rig) -> None:
    vectors = (await rig.embed(TEXTS, dimensions=rig.dimensions)).vectors
    assert {len(vector) for vector in vectors} == {rig.dimensions}


async def test_a_number_of_dimensions_that_the_model_does_not_have_is_refused(rig: Rig) -> None:
    with pytest.raises(Refused) as caught:
        await rig.embed(TEXTS, dimensions=2)
    assert (caught.value.param, caught.value.code) == ("dimensions", "dimensions_not_supported")


async def test_vectors_are_those_of_the_published_model(local: Rig) -> None:
    """The numbers are the ones that its card and its library's documentation show."""
    (vector,) = (await local.embed(["This is an example sentence"])).vectors
    assert list(vector[:5]) == pytest.approx([0.0676569, 0.0634959, 0.0487131, 0.0793049, 0.0374480], abs=2e-6)
    weather = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    first, second, third = (await local.embed(weather)).vectors
    found = [likeness(first, second), likeness(first, third), likeness(second, third)]
    assert found == pytest.approx([0.6660, 0.1046, 0.1411], abs=1e-4)


async def test_a_vector_does_not_depend_on_time_or_company(local: Rig) -> None:
    (alone,) = (await local.embed(TEXTS[:1])).vectors
    assert (await local.embed(TEXTS[:1])).vectors == [alone]
    crowd = [f"{text} And that was number {number}." for number in range(40) for text in TEXTS]
    among = (await local.embed([*crowd, TEXTS[0]])).vectors[-1]
    assert list(among) == pytest.approx(list(alone), abs=1e-6)


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "日本語のテキスト", "🙂" * 10, "a" * 300])
async def test_any_text_has_a_vector(local: Rig, text: str) -> None:
    answer = await local.embed([text])
    assert hypot(*answer.vectors[0]) == pytest.approx(1, abs=1e-5)
    assert answer.prompt_tokens == await local.embedder.count_tokens(local.model, [text])


async def test_tokens_are_those_of_the_models_own_vocabulary(local: Rig) -> None:
    assert (await local.embed(["hello world", "hello"])).prompt_tokens == 4 + 3
    assert await local.embedder.count_tokens(local.model, ["hello " * 30_000]) == pytest.approx(30_000, abs=20)


async def test_a_text_that_just_fits_is_read_to_its_end(local: Rig) -> None:
    words = ["word"] * 509
    one, other = (await local.embed([" ".join([*words, "peace"]), " ".join([*words, "war"])])).vectors
    assert list(one) != list(other)


@pytest.mark.parametrize("text", ["word " * 511, "x" + " " * MOST_CHARACTERS + "y"])
async def test_a_text_that_is_too_long_is_refused_and_named(local: Rig, text: str) -> None:
    with pytest.raises(Refused, match="text 1 does not fit into the 512 tokens") as caught:
        await local.embed(["short", text])
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


async def test_a_text_that_is_too_long_is_read_as_far_as_it_goes_where_that_is_wanted(local: Rig) -> None:
    answer = await local.embed(["word " * 600, "word " * 510], truncate=True)
    assert answer.prompt_tokens == 1024
    assert list(answer.vectors[0]) == pytest.approx(list(answer.vectors[1]), abs=1e-6)


async def test_the_embedded_vendor_has_one_model(local: Rig) -> None:
    with pytest.raises(Refused) as caught:
        await local.embedder.embed(EmbeddingsRequest("all-mpnet-base-v2", TEXTS))
    assert caught.value.status == 404


async def test_the_loop_goes_on_while_vectors_are_made(local: Rig) -> None:
    making = asyncio.ensure_future(local.embed([f"text number {number}" for number in range(200)]))
    turns = 0
    while not making.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
    assert len(making.result().vectors) == 200


async def test_more_requests_than_may_wait_are_refused() -> None:
    crowded = Local(most_waiting=1)
    request = EmbeddingsRequest("all-minilm-l6-v2", TEXTS)
    results = await asyncio.gather(*(crowded.embed(request) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Embeddings, Saturated, Saturated]
    assert len((await crowded.embed(request)).vectors) == 3
    await crowded.close()


async def test_a_vendor_is_asked_in_its_own_words(remote: Rig) -> None:
    assert remote.vendor is not None
    remote.vendor.reply = json_reply(openai_body([[0.0, 1.0]]))
    await remote.embed(["hello"], dimensions=2, options={"user": "u-1", "input_type": "query"})
    assert remote.vendor.last.path == "/v1/embeddings"
    assert remote.vendor.last.headers["authorization"] == f"Bearer {KEY}"
    assert remote.vendor.last.body == {
        "model": "embed-1",
        "input": ["hello"],
        "dimensions": 2,
        "encoding_format": "float",
        "user": "u-1",
        "input_type": "query",
    }


async def test_base64_and_floats_are_the_same_numbers(remote: Rig) -> None:
    assert remote.vendor is not None
    floats = (await remote.embed(TEXTS)).vectors
    packed = [b64encode(vector.tobytes()).decode() for vector in floats]
    remote.vendor.reply = json_reply(openai_body(packed))
    answer = await remote.embed(TEXTS)
    assert answer.vectors == floats
    assert answer.prompt_tokens is None


async def test_vectors_are_put_into_the_order_of_their_texts(remote: Rig) -> None:
    assert remote.vendor is not None
    body = openai_body(VECTORS)
    remote.vendor.reply = json_reply({**body, "data": body["data"][::-1]})
    assert [list(vector).index(max(vector)) for vector in (await remote.embed(TEXTS)).vectors] == [1, 0, 2]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        VECTORS,
        [{"index": 0, "embedding": [1.0]}] * 3,
        [{"index": number, "embedding": [1.0]} for number in (1, 2, 3)],
        [{"index": [], "embedding": [1.0]}] * 3,
        [{"index": number, "embedding": [1.0] * (number + 1)} for number in range(3)],
        [{"embedding": value} for value in (None, None, None)],
        [{"embedding": []}] * 3,
        [{"embedding": ["1"]}] * 3,
        [{"embedding": [1e300]}] * 3,
        [{"embedding": "not base64"}] * 3,
        [{"embedding": "AAAA"}] * 3,
        [{"embedding": {"0": 1.0}}] * 3,
    ],
)
async def test_an_answer_without_one_vector_a_text_is_broken(remote: Rig, data: Any) -> None:
    assert remote.vendor is not None
    remote.vendor.reply = json_reply({"data": data})
    with pytest.raises(BrokenAnswer):
        await remote.embed(TEXTS)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply({"error": {"message": "no such model"}}, 404), Refused),
        (json_reply({"error": {"message": "who are you"}}, 401), Unauthorized),
        (json_reply({"error": {"message": "slow down"}}, 429, retry_after="7"), Throttled),
        (json_reply({"error": {"message": "broken"}}, 500), Unavailable),
        (Reply([b"<html>"]), BrokenAnswer),
    ],
)
async def test_a_vendors_faults_are_told_as_they_are(remote: Rig, reply: Reply, error: type[ProviderError]) -> None:
    assert remote.vendor is not None
    remote.vendor.reply = reply
    with pytest.raises(error):
        await remote.embed(TEXTS)


async def test_a_vendor_that_stays_silent_is_given_up() -> None:
    async with vendor_rig(HASTY) as rig:
        assert rig.vendor is not None
        rig.vendor.reply = Reply(before="stall")
        with pytest.raises(TimedOut):
            await rig.embed(TEXTS)


def test_nothing_of_the_embedded_model_is_imported_before_it_is_needed() -> None:
    heavy = "{'numpy', 'tokenizers', 'threadpoolctl'}"
    code = f"import sys, server.embedders, handlers.core.embeddings; print({heavy} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"

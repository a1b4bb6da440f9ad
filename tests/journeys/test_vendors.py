"""Each API over each kind of vendor: what goes out, what comes back, and whose fault is told how."""

from __future__ import annotations

from array import array
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from tests.contract.providers.fake_vendor import Reply, sse_reply
from tests.contract.providers.wires import WEATHER
from tests.journeys.dialects import DEPRECATED, DIALECTS, IPOP, LLAMA, MANIAC, Dialect, events, payloads
from tests.journeys.hanging_up import asking
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import CANDID, HASTY, LoopbackVendor, settings_for, vendors
from tests.journeys.test_errors import check
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

SAID = "Hello wörld!"
COSTS = {"openai": 16 * 5 + 2 + 7 * 30, "anthropic": 16 * 3 + 1 + 7 * 15}
"""In micro-dollars, of 20 prompt tokens, 4 of them cached at a tenth of the price, and 7 of the answer."""

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, LoopbackVendor]]:
    with vendors() as both:
        yield both


@pytest.fixture(params=["openai", "anthropic"])
def vendor(request: pytest.FixtureRequest, served: dict[str, LoopbackVendor]) -> LoopbackVendor:
    return served[request.param].ready()


@pytest.fixture(scope="module")
def vendor_server(served: dict[str, LoopbackVendor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("vendors"), **settings_for(served), **CANDID) as server:
        yield server
        assert '"level":"error"' not in server.log_text()


@pytest.fixture(scope="module")
def hasty(served: dict[str, LoopbackVendor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("hasty"), **settings_for(served), **HASTY) as server:
        yield server
        assert '"level":"error"' not in server.log_text()


@pytest.fixture
def client(vendor_server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {vendor_server.key}"}
    with httpx.Client(base_url=vendor_server.url, headers=headers, timeout=60) as client:
        yield client


def read(dialect: Dialect, answer: httpx.Response) -> str:
    """The text of an answer, whole or streamed."""
    if answer.headers["content-type"] == "application/json":
        return dialect.text(answer.json())
    return "".join(dialect.deltas(events(list(payloads(answer.iter_lines())))))


@each
@streamed_or_not
def test_chat_is_passed_on_under_the_vendors_name_and_key_and_comes_back_under_ours(
    client: httpx.Client, vendor_server: LiveServer, vendor: LoopbackVendor, dialect: Dialect, stream: bool
) -> None:
    answer = client.post(dialect.url, json=dialect.chat(vendor.model, stream=stream))
    assert answer.status_code == 200
    assert read(dialect, answer) == SAID
    assert "x-concordat-provider" not in answer.headers
    asked = vendor.fake.last
    assert asked.path == {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[vendor.name]
    assert asked.body["model"] == vendor.upstream_model
    assert asked.body["messages"][0]["role"] == "user"
    assert vendor.presented_key() == vendor.key
    assert vendor_server.key not in str(asked)
    if dialect is not LLAMA:
        assert all(event["model"] == vendor.model for event in bodies(answer))
    record = LedgerReader.of(vendor_server).get("default", answer.headers["x-request-id"])
    assert record is not None
    assert (record.model, record.provider, record.upstream_model) == (vendor.model, vendor.name, vendor.upstream_model)
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (20, 7, 4)
    assert record.cost_micros == COSTS[vendor.name]


def bodies(answer: httpx.Response) -> list[dict[str, object]]:
    if answer.headers["content-type"] == "application/json":
        return [answer.json()]
    return events(list(payloads(answer.iter_lines())))


PASSED_ON = [
    (MANIAC, {"min_p": 0.5}),
    (IPOP, {"frobnicate": {"deep": [7]}}),
    (DEPRECATED, {"logit_bias": {"50256": -1}}),
]
"""Parameters that mean nothing to this server; two of the documents list those that they allow."""


@pytest.mark.parametrize(("dialect", "unknown"), PASSED_ON, ids=lambda value: getattr(value, "api", ""))
def test_parameters_that_nobody_here_knows_are_passed_on(
    client: httpx.Client, served: dict[str, LoopbackVendor], dialect: Dialect, unknown: dict[str, Any]
) -> None:
    vendor = served["openai"]
    vendor.says()
    body = dialect.chat(vendor.model, temperature=0.25, **unknown)
    assert client.post(dialect.url, json=body).status_code == 200
    assert vendor.fake.last.body.items() >= {"temperature": 0.25, **unknown}.items()


@each
def test_tool_calls_come_through(client: httpx.Client, vendor: LoopbackVendor, dialect: Dialect) -> None:
    vendor.says("tools")
    parameters = {"city": {"param_type": "string", "required": True}}
    tool = {"tool_name": "get_weather", "parameters": parameters} if dialect is LLAMA else WEATHER
    answer = client.post(dialect.url, json=dialect.chat(vendor.model, tools=[tool]))
    assert answer.status_code == 200
    if dialect is LLAMA:
        (call,) = answer.json()["completion_message"]["tool_calls"]
        assert (call["tool_name"], call["arguments"]) == ("get_weather", {"city": "Oslo"})
    else:
        (call,) = answer.json()["choices"][0]["message"]["tool_calls"]
        assert (call["function"]["name"], call["function"]["arguments"]) == ("get_weather", '{"city":"Oslo"}')
    assert "get_weather" in str(vendor.fake.last.body["tools"])


FAULTS = [(400, 400), (401, 502), (429, 429), (500, 503), (529, 503)]


@each
@streamed_or_not
@pytest.mark.parametrize(("theirs", "ours"), FAULTS)
def test_fault_before_the_first_byte_is_told_in_the_apis_own_words(
    client: httpx.Client, vendor: LoopbackVendor, dialect: Dialect, stream: bool, theirs: int, ours: int
) -> None:
    vendor.refuses(theirs, f"the vendor's words about {vendor.key}")
    answer = client.post(dialect.url, json=dialect.chat(vendor.model, stream=stream))
    check(dialect, answer, ours)
    assert vendor.key not in answer.text
    if theirs == 400:
        assert "the vendor's words" in answer.text
    if theirs == 429:
        assert answer.headers["retry-after"] == "7"


def ask_all(server: LiveServer, model: str, *, stream: bool) -> list[tuple[Dialect, httpx.Response]]:
    """In every API, at the same time."""
    headers = {"Authorization": f"Bearer {server.key}"}
    with (
        httpx.Client(base_url=server.url, headers=headers, timeout=60) as client,
        ThreadPoolExecutor(len(DIALECTS)) as pool,
    ):
        answers = pool.map(lambda one: client.post(one.url, json=one.chat(model, stream=stream)), DIALECTS)
        return list(zip(DIALECTS, answers, strict=True))


@streamed_or_not
def test_vendor_that_stays_silent_is_given_up(
    hasty: LiveServer, served: dict[str, LoopbackVendor], stream: bool
) -> None:
    vendor = served["anthropic" if stream else "openai"]
    vendor.answers(Reply(before="stall"))
    for dialect, answer in ask_all(hasty, vendor.model, stream=stream):
        check(dialect, answer, 503)
    eventually(lambda: vendor.fake.busy, lambda busy: not busy)


@pytest.mark.parametrize("after", ["cut", "stall"])
def test_stream_that_its_vendor_breaks_off_ends_with_an_error(
    hasty: LiveServer, vendor: LoopbackVendor, after: str
) -> None:
    begun = vendor.wire["text"][1][:4]
    vendor.answers(sse_reply(begun, "cut" if after == "cut" else "stall"))
    for dialect, answer in ask_all(hasty, vendor.model, stream=True):
        assert answer.status_code == 200
        *_, last = payloads(answer.iter_lines())
        assert not dialect.is_end(last)
        assert "provider" in last
        record = LedgerReader.of(hasty).get("default", answer.headers["x-request-id"])
        assert record is not None
        assert (record.state, record.streamed, record.provider) == ("failed", True, vendor.name)


@each
def test_vendor_stops_when_the_client_of_a_stream_hangs_up(
    client: httpx.Client, vendor: LoopbackVendor, dialect: Dialect
) -> None:
    vendor.answers(sse_reply(vendor.wire["text"][1][:4], "stall"))
    with client.stream("POST", dialect.url, json=dialect.chat(vendor.model, stream=True)) as answer:
        texts = payloads(answer.iter_lines())  # to let go of it is to hang up
        next(texts)
        assert not vendor.fake.gone.is_set()
    eventually(vendor.fake.gone.is_set)


def test_vendor_stops_when_the_client_of_a_whole_answer_hangs_up(
    vendor_server: LiveServer, vendor: LoopbackVendor
) -> None:
    vendor.answers(Reply(before="stall"))
    with asking(vendor_server, MANIAC.url, MANIAC.chat(vendor.model)):
        eventually(lambda: vendor.fake.busy)
        assert not vendor.fake.gone.is_set()
    eventually(vendor.fake.gone.is_set)


def test_vendors_keys_are_written_nowhere(vendor_server: LiveServer, hasty: LiveServer, vendor: LoopbackVendor) -> None:
    """After all of the above, in which vendors repeated them."""
    files = [file for server in (vendor_server, hasty) for file in server.data_dir.rglob("*") if file.is_file()]
    assert {vendor_server.log_file, hasty.log_file} <= set(files)
    assert [file.name for file in files if vendor.key.encode() in file.read_bytes()] == []


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_of_a_vendor_are_passed_on(
    client: httpx.Client, served: dict[str, LoopbackVendor], vendor_server: LiveServer, encoding: str
) -> None:
    openai, packed = served["openai"], b64encode(array("f", [0.6, 0.8]).tobytes()).decode()
    data = [{"object": "embedding", "index": 0, "embedding": packed if encoding == "base64" else [0.6, 0.8]}]
    openai.answers(Reply([orjson.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 9}})]))
    wanted = {"model_id": "near/embedder", "provider_id": "openai", "provider_model_id": "text-embedding-9"}
    assert client.post("/llama-stack/v1/models", json={**wanted, "model_type": "embedding"}).status_code == 200
    answer = client.post("/ipop/v1/embeddings", json={"model": "near/embedder", "input": "hello", "dimensions": 2})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["embedding"] == pytest.approx([0.6, 0.8])
    assert openai.presented_key() == openai.key
    assert openai.fake.last.path == "/v1/embeddings"
    assert (openai.fake.last.body["model"], openai.fake.last.body["dimensions"]) == ("text-embedding-9", 2)
    record = LedgerReader.of(vendor_server).settled("default", answer.headers["x-request-id"])
    assert (record.provider, record.upstream_model, record.prompt_tokens) == ("openai", "text-embedding-9", 9)


def test_a_vendor_that_refuses_to_embed_is_quoted(client: httpx.Client, served: dict[str, LoopbackVendor]) -> None:
    served["openai"].refuses(400, "this model does not embed")
    wanted = {"model_id": "near/embedder", "provider_id": "openai", "provider_model_id": "text-embedding-9"}
    client.post("/llama-stack/v1/models", json={**wanted, "model_type": "embedding"})
    answer = client.post("/ipop/v1/embeddings", json={"model": "near/embedder", "input": "hello"})
    check(IPOP, answer, 400)
    assert "this model does not embed" in answer.text

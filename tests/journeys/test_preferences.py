"""What callers say about the way of a request, and what operators say about its limits, against vendors on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.contract.providers import wires
from tests.contract.providers.fake_vendor import Reply, json_reply
from tests.journeys.dialects import DEPRECATED, IPOP, LLAMA, MANIAC, Dialect, events, openai_text, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import LoopbackVendor, settings_for, vendors
from tests.journeys.test_embeddings import ON_DEPRECATED, ON_IPOP, ON_LLAMA, Embedding
from tests.journeys.test_errors import check
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

CATALOG = """
vendors:
  - {name: anthropic, retains_data: true}
models:
  - id: house/two
    capabilities: [chat, streaming, vision, tools, json_schema]
    context_tokens: 100000
    max_output_tokens: 1000
    deployments: [{vendor: anthropic, model: spare}, {vendor: openai, model: two, weight: 0}]
  - id: house/one
    capabilities: [chat, streaming, vision, tools, json_schema]
    context_tokens: 100000
    max_output_tokens: 1000
    prices: [{input_usd: 5, output_usd: 30}]
    deployments: [{vendor: openai, model: one}]
  - id: house/embed
    kind: embedding
    capabilities: [embeddings]
    context_tokens: 8000
    embedding_dimensions: 2
    max_output_tokens: 0
    prices: [{input_usd: 1, output_usd: 0}]
    deployments: [{vendor: openai, model: embed}]
"""
OWN = "sk-proj-brought-by-the-project-9876"
PICTURE = b"\x89PNG a small picture"
STRICT = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}}
SETTINGS = {"CONCORDAT_ALLOW_PRIVATE_OUTBOUND": "true", "CONCORDAT_MAX_CONCURRENT": "1", "CONCORDAT_MAX_QUEUED": "0"}

each_embedding = pytest.mark.parametrize("api", [ON_IPOP, ON_LLAMA, ON_DEPRECATED], ids=lambda api: api.dialect.api)


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, LoopbackVendor]]:
    with vendors() as both:
        yield both


@pytest.fixture(scope="module")
def server(served: dict[str, LoopbackVendor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("preferences")
    (folder / "catalog.yaml").write_text(CATALOG)
    with running(folder, **settings_for(served), **SETTINGS) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def openai(served: dict[str, LoopbackVendor]) -> LoopbackVendor:
    return served["openai"].ready()


@pytest.fixture
def anthropic(served: dict[str, LoopbackVendor]) -> LoopbackVendor:
    return served["anthropic"].ready()


def embedded(*texts: str) -> Reply:
    data = [{"object": "embedding", "index": index, "embedding": [0.6, 0.8]} for index, _ in enumerate(texts)]
    return json_reply({"object": "list", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}})


@each_embedding
def test_embeddings_outlive_failures_that_pass(client: httpx.Client, openai: LoopbackVendor, api: Embedding) -> None:
    openai.answers(embedded("one"))
    openai.fake.first += [Reply([wires.openai_error("slow down")], status=429, headers={"retry-after": "1"})]
    openai.fake.first += [Reply([wires.openai_error("oops")], status=500)]
    assert api.vectors(api.post(client, ["one"], "house/embed")) == [[pytest.approx(0.6), pytest.approx(0.8)]]
    assert len(openai.fake.seen) == 3


@each_embedding
def test_embeddings_beyond_the_queue_are_told_to_come_back(
    client: httpx.Client, openai: LoopbackVendor, api: Embedding
) -> None:
    whole = embedded("one").portions[0]
    openai.answers(Reply([whole[:20], whole[20:]]))
    openai.fake.released.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(api.post, client, ["one"], "house/embed")
        eventually(lambda: openai.fake.seen)
        answer = api.post(client, ["one"], "house/embed")
        openai.fake.released.set()
    check(api.dialect, answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert first.result().status_code == 200


def test_a_key_of_the_projects_own_makes_vectors_without_credits(
    client: httpx.Client, server: LiveServer, openai: LoopbackVendor
) -> None:
    path = "/ipop/v1/account/provider-credentials"
    made = client.post(path, json={"provider": "openai", "label": "ours", "api_key": OWN}).json()
    try:
        assert server.cli("credits", "set", "0", "--project", "default").returncode == 0
        eventually(lambda: client.post(MANIAC.url, json=MANIAC.chat()).status_code, lambda status: status == 402)
        openai.answers(embedded("one"))
        answer = ON_IPOP.post(client, ["one"], "house/embed")
        assert answer.status_code == 200, answer.text
        assert openai.presented_key() == OWN
        account = answer.json()["ipop"]
        assert (account["cost_usd"], account["provider_key"]["credential_id"]) == (0, made["id"])
        openai.says()
        assert client.post(MANIAC.url, json=MANIAC.chat("house/one")).status_code == 200
        openai.refuses(401, "no")
        check(MANIAC, client.post(MANIAC.url, json=MANIAC.chat("house/one")), 403)
    finally:
        client.delete(f"{path}/{made['id']}")
        assert server.cli("credits", "set", "unlimited", "--project", "default").returncode == 0
    eventually(lambda: client.post(MANIAC.url, json=MANIAC.chat()).status_code, lambda status: status == 200)


def test_a_limit_on_the_requests_of_a_day(server: LiveServer, other: httpx.Client) -> None:
    set_ = server.cli("limits", "set", "--project", "other", "--requests-per-day", "2", "--json")
    assert '"requests_per_day": 2' in set_.stdout
    answer = eventually(lambda: other.post(MANIAC.url, json=MANIAC.chat()), lambda answer: answer.status_code == 429)
    check(MANIAC, answer, 429)
    headers = answer.headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("2", "0")
    assert int(headers["retry-after"]) <= 86_400
    assert int(headers["x-ratelimit-reset"]) % 86_400 in (0, 1)
    server.cli("limits", "set", "--project", "other", "--requests-per-day", "none", "--tokens-per-minute", "50")
    answer = eventually(
        lambda: other.post(IPOP.url, json=IPOP.chat(max_tokens=60)), lambda answer: answer.status_code == 400
    )
    assert (answer.json()["error_type"], answer.json()["retryable"]) == ("request_exceeds_token_limit", False)
    server.cli("limits", "set", "--project", "other", "--tokens-per-minute", "none")


def test_a_profile_decides_who_is_asked_first(
    client: httpx.Client, openai: LoopbackVendor, anthropic: LoopbackVendor
) -> None:
    """By its weight the one that keeps what it is sent goes first, and nobody has measured the other."""
    told = [account(client, metadata) for metadata in ({}, {"sensitive": True}, {"fallback_profile": "latency_first"})]
    assert "route_preference" not in told[0]
    asked = {"fallback_profile": "privacy_first", "provider": "openai", "session_affinity": False}
    assert (told[1]["route_preference"], told[1]["route_class"]) == (asked, "ipop_network")
    assert told[2]["route_preference"]["fallback_profile"] == "latency_first"
    assert len(anthropic.fake.seen) + len(openai.fake.seen) == 3


def account(client: httpx.Client, metadata: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(IPOP.url, json=IPOP.chat("house/two", metadata=metadata))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["ipop"]
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", [MANIAC, IPOP, DEPRECATED], ids=lambda dialect: dialect.api)
def test_an_answer_that_does_not_fit_a_strict_schema_is_an_error(
    client: httpx.Client, server: LiveServer, openai: LoopbackVendor, dialect: Dialect, stream: bool
) -> None:
    body = dialect.chat("house/one", stream=stream, response_format=STRICT)
    answer = client.post(dialect.url, json=body)
    if stream:
        *said, last = payloads(answer.iter_lines())
        assert "does not fit the schema" in last
        assert dialect.deltas(events(said))
        assert not any('"finish_reason":"stop"' in text for text in said)
    else:
        check(dialect, answer, 502)
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.error_code) == ("failed", "schema_mismatch")
    assert record.completion_tokens > 0


def test_a_picture_reaches_a_vendor_of_our_own_network_as_data(
    client: httpx.Client, openai: LoopbackVendor, anthropic: LoopbackVendor
) -> None:
    anthropic.answers(Reply([PICTURE], content_type="image/png"))
    url = f"{anthropic.fake.url}/cat.png"
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "user", "content": content}]
    answer = client.post(MANIAC.url, json=MANIAC.chat("house/one") | {"messages": messages})
    assert openai_text(answer.json()) == "Hello wörld!"
    sent = openai.fake.last.body["messages"][0]["content"][1]["image_url"]["url"]
    assert sent.startswith("data:image/png;base64,iVBORyBh")
    anthropic.answers(Reply([b"<html>"], content_type="text/html"))
    answer = client.post(MANIAC.url, json=MANIAC.chat("house/one") | {"messages": messages})
    check(MANIAC, answer, 400)
    assert answer.json()["error"]["code"] == "PICTURE_NOT_AVAILABLE"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_llama_stack_answers_by_a_grammar(client: httpx.Client, stream: bool) -> None:
    wanted = {"type": "grammar", "bnf": {"root": 'answer "!"', "answer": ['"yes"', '"no"']}}
    if stream:
        said = "".join(LLAMA.deltas(events(LLAMA.stream(client, response_format=wanted))))
    else:
        said = LLAMA.text(client.post(LLAMA.url, json=LLAMA.chat(response_format=wanted)).json())
    assert said in ("yes!", "no!")
    check(LLAMA, client.post(LLAMA.url, json=LLAMA.chat("house/one", response_format=wanted)), 400)


def test_what_a_container_adds_is_counted(client: httpx.Client) -> None:
    made = {"label": "counted", "initial_model": "simulator/chat", "default_system_prompt": "You are a pirate. " * 20}
    assert client.post("/maniac/v1/containers", json=made).status_code == 201
    try:
        for path, field in (("/responses/input_tokens", "input_tokens"), ("/estimate", "estimated_prompt_tokens")):
            plain, more = (
                client.post(f"/ipop/v1{path}", json={"model": model, "input": "Hi"}).json()[field]
                for model in ("simulator/chat", "maniac:counted")
            )
            assert more > plain + 80
    finally:
        client.delete("/maniac/v1/containers/counted")

"""Mock mode: one server for all APIs, with documents and nothing behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import jsonschema_rs
import orjson
import pytest
from openai import OpenAI

from tests.journeys.dialects import DIALECTS, Dialect, events
from tests.journeys.test_errors import check
from tests.live import ROOT, LiveServer, running

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
PREFIXES = {dialect.api: dialect.prefix for dialect in DIALECTS}
MARK = "x-concordat-mock"
SAMPLED = 7
"""Of the operations that need no body, each seventh is asked for."""


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("mock"), "--mock") as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def client(mock: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=mock.url, headers={"Authorization": "Bearer anything"}, timeout=30) as client:
        yield client


def document(client: httpx.Client, api: str) -> dict[str, object]:
    answer = client.get(f"{PREFIXES[api]}/openapi.json")
    assert answer.headers[MARK] == "true"
    return dict(answer.json())


@pytest.mark.parametrize("api", PREFIXES)
def test_operations_answer_what_their_document_says(client: httpx.Client, api: str) -> None:
    spec = document(client, api)
    registry = jsonschema_rs.Registry([("urn:document", spec)])
    asked = 0
    for path, item in list(spec["paths"].items())[::SAMPLED]:  # type: ignore[attr-defined]
        for method in [name for name in item if name in ("get", "delete") and "{" not in path.rpartition("/")[2]]:
            if any(one["required"] and one["in"] != "path" for one in item[method]["parameters"] if "required" in one):
                continue
            address = path.replace("{", "").replace("}", "")
            answer = client.request(method, PREFIXES[api] + address, headers={"X-Admin-Token": "anything"})
            assert answer.status_code in (200, 201, 202, 204), (address, answer.text)
            assert answer.headers[MARK] == "true"
            content = item[method]["responses"][str(answer.status_code)].get("content", {})
            schema = content.get("application/json", {}).get("schema")
            if schema and answer.headers["content-type"] == "application/json":
                pointer = orjson.dumps(schema).replace(b'"#/', b'"urn:document#/')
                jsonschema_rs.Draft202012Validator(orjson.loads(pointer), registry=registry).validate(answer.json())
            asked += 1
    assert asked > 0


@each
def test_operation_that_is_not_built_answers(client: httpx.Client, dialect: Dialect) -> None:
    unbuilt = {
        "maniac": "/maniac/v1/evaluation/runs",
        "ipop": "/ipop/v1/videos/job-1",
        "llama_stack": "/llama-stack/v1/eval-tasks",
        "llama_stack_deprecated": "/llama-stack-deprecated/v1/eval/benchmarks",
    }
    answer = client.get(unbuilt[dialect.api])
    assert (answer.status_code, answer.headers[MARK]) == (200, "true")


@each
def test_wrong_request_gets_the_apis_own_refusal(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.post(dialect.url, json={"messages": 5}), 400)
    check(dialect, client.post(dialect.url, json=dialect.chat(), headers={"Authorization": ""}), 401)
    check(dialect, client.get(f"{dialect.prefix}/v1/nothing/here"), 404)
    assert client.get(f"{dialect.prefix}/v1/nothing/here").headers[MARK] == "true"


@each
def test_status_can_be_preferred(client: httpx.Client, dialect: Dialect) -> None:
    answer = client.post(dialect.url, json=dialect.chat(), headers={"Prefer": "code=404"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (404, "code=404")
    jsonschema_rs.validate(dialect.schema, answer.json())
    assert client.post(f"{dialect.url}?__code=404", json=dialect.chat()).json() == answer.json()
    check(dialect, client.post(dialect.url, json=dialect.chat(), headers={"Prefer": "code=nonsense"}), 400)


@each
def test_example_of_no_such_name_is_not_found(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.post(dialect.url, json=dialect.chat(), headers={"Prefer": "example=nothing"}), 404)


@each
def test_same_request_has_the_same_answer(client: httpx.Client, dialect: Dialect) -> None:
    first, second = (client.post(dialect.url, json=dialect.chat()) for _ in range(2))
    assert first.status_code == 200
    assert first.content == second.content


@each
def test_stream_is_whole_and_its_events_are_valid(client: httpx.Client, dialect: Dialect) -> None:
    body = dialect.chat(stream=True)
    with client.stream("POST", dialect.url, json=body) as answer:
        assert (answer.status_code, answer.headers[MARK]) == (200, "true")
        assert answer.headers["content-type"].startswith("text/event-stream")
        texts = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert dialect.is_end(texts[-1])
    assert "".join(dialect.deltas(events(texts))).startswith("Hello")


def test_published_client_reads_answers_and_streams(mock: LiveServer) -> None:
    with OpenAI(base_url=f"{mock.url}/ipop/v1", api_key="anything") as client:
        said = client.chat.completions.create(model="some/model", messages=[{"role": "user", "content": "Hello"}])
        assert said.choices[0].message.content == "Hello there."
        with client.responses.stream(model="some/model", input="Hello") as stream:
            assert [event.type for event in stream][-1] == "response.completed"
            assert stream.get_final_response().output_text == "Hello"


def test_bytes_come_as_bytes(client: httpx.Client) -> None:
    body = {"model": "voice", "input": "Hello", "voice": "alloy"}
    answer = client.post("/ipop/v1/audio/speech", json=body, headers={"Accept": "audio/wav"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert answer.content[:4] == b"RIFF"
    taken = client.put("/ipop/v1/storage/s3/bucket/key", content=b"hello")
    assert (taken.status_code, taken.headers[MARK]) == (200, "true")


def test_pages_about_the_server_are_marked_too(client: httpx.Client) -> None:
    for path in ("/-/healthz", "/-/readyz", "/-/docs/", "/-/docs/apis.json", "/nobody"):
        assert client.get(path).headers[MARK] == "true"
    assert client.get("/-/docs/apis.json").json()[0]["not_built"] == []


def test_nothing_is_kept(mock: LiveServer) -> None:
    assert [path.name for path in mock.data_dir.iterdir()] == ["server.log"]


@pytest.mark.parametrize(
    "given",
    [({}, ["--mock", "--profile", "production"]), ({"CONCORDAT_MOCK": "1", "CONCORDAT_PROFILE": "production"}, [])],
)
def test_production_makes_nothing_up(given: tuple[dict[str, str], list[str]], mock: LiveServer) -> None:
    settings, options = given
    command = [sys.executable, "-m", "server.cli", "serve", *options]
    environment = {**os.environ, "CONCORDAT_DATA_DIR": str(mock.data_dir), "CONCORDAT_PORT": "0", **settings}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("concordat: mock answers are made up")

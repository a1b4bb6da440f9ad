"""Responses in the background over HTTP: asked for, polled, streamed and resumed, cancelled, deleted, nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from handlers.core.jobs import Job
from storage.database import Database
from storage.repositories.jobs import Jobs
from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import eventually
from tests.live import LiveServer
from tests.unit.handlers.bench import check

URL = "/ipop/v1/responses"
LONG = "word " * 400


def enqueue(client: httpx.Client, asked: Any = "Tell me about concord.", **more: Any) -> httpx.Response:
    body = {"model": "simulator/chat", "input": asked, "background": True, **more}
    answer = client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    return answer


def ended(client: httpx.Client, response_id: str) -> dict[str, Any]:
    response: dict[str, Any] = eventually(
        lambda: client.get(f"{URL}/{response_id}").json(), lambda r: r["status"] not in ("queued", "in_progress")
    )
    return response


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield check("ipop", "#/components/schemas/ResponseStreamEvent", orjson.loads(line.removeprefix("data: ")))


def told(client: httpx.Client, response_id: str, **params: Any) -> list[dict[str, Any]]:
    with client.stream("GET", f"{URL}/{response_id}", params={"stream": "true", **params}) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(events(answer.iter_lines()))


def job_of(server: LiveServer, response_id: str) -> Job | None:
    async def find() -> Job | None:
        database = Database.open(f"sqlite:///{server.data_dir}/concordat.db")
        try:
            return await Jobs(database).find(response_id)
        finally:
            await database.close()

    return asyncio.run(find())


def test_a_response_in_the_background_is_queued_made_and_recorded(client: httpx.Client, server: LiveServer) -> None:
    answer = enqueue(client, metadata={"for": "later"})
    queued = answer.json()
    assert (queued["status"], queued["background"], queued["output"]) == ("queued", True, [])
    assert answer.headers["x-concordat-provider"] == "simulator"
    made = ended(client, queued["id"])
    assert (made["status"], made["background"], made["metadata"]) == ("completed", True, {"for": "later"})
    whole = client.post(URL, json={"model": "simulator/chat", "input": "Tell me about concord."}).json()
    assert (made["output_text"], made["usage"]) == (whole["output_text"], whole["usage"])
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.http_status, record.operation_id) == ("completed", 200, "responses_create")
    assert record.completion_tokens == made["usage"]["output_tokens"]
    assert client.get(f"{URL}/{queued['id']}/input_items").json()["data"][0]["role"] == "user"
    second = enqueue(client, "And then?", previous_response_id=made["id"]).json()
    assert "And then?" in ended(client, second["id"])["output_text"]


def test_a_stream_is_told_as_it_is_made_and_again_from_any_event_on(client: httpx.Client) -> None:
    asked = {"model": "simulator/slow-50ms", "input": "Tell me.", "background": True, "stream": True}
    with client.stream("POST", URL, json=asked) as answer:
        assert answer.status_code == 200, answer.read()
        first = list(events(answer.iter_lines()))
    names = [event["type"] for event in first]
    assert names[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert names[-1] == "response.completed"
    assert [event["response"]["status"] for event in first[:3]] == ["queued", "queued", "in_progress"]
    assert [event["sequence_number"] for event in first] == list(range(len(first)))
    final = first[-1]["response"]
    deltas = [event["delta"] for event in first if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == final["output_text"]
    assert len(deltas) > 3
    assert client.get(f"{URL}/{final['id']}").json() == final
    assert told(client, final["id"]) == first
    for number in (0, 7, len(first) - 2, len(first) - 1):
        assert told(client, final["id"], starting_after=number) == first[number + 1 :]


def test_a_reader_that_leaves_stops_nothing_and_comes_back(client: httpx.Client) -> None:
    asked = {"model": "simulator/slow-50ms", "input": LONG[:150], "background": True, "stream": True}
    with client.stream("POST", URL, json=asked) as answer:
        reading = events(answer.iter_lines())
        seen = [next(reading) for _ in range(8)]
    response_id = seen[0]["response"]["id"]
    rest = told(client, response_id, starting_after=seen[-1]["sequence_number"])
    assert rest[0]["sequence_number"] == 8
    deltas = [event["delta"] for event in [*seen, *rest] if event["type"] == "response.output_text.delta"]
    assert (rest[-1]["type"], rest[-1]["response"]["output_text"]) == ("response.completed", "".join(deltas))


def test_one_that_hangs_is_cancelled_at_once(client: httpx.Client, server: LiveServer) -> None:
    answer = enqueue(client, model="simulator/hang")
    url = f"{URL}/{answer.json()['id']}"
    eventually(lambda: client.get(url).json()["status"] == "in_progress")
    assert client.post(f"{url}/cancel").json()["status"] == "cancelled"
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.error_code, record.cost_micros) == ("interrupted", "cancelled", 0)
    assert client.post(f"{url}/cancel").json()["status"] == "cancelled"
    job = eventually(lambda: job_of(server, answer.json()["id"]), lambda job: job is not None and job.is_final)
    assert job is not None
    assert job.state == "cancelled"


def test_a_cancelled_stream_ends_with_what_was_said(client: httpx.Client) -> None:
    asked = {"model": "simulator/slow-100ms", "input": LONG, "background": True, "stream": True}
    with client.stream("POST", URL, json=asked) as answer:
        reading = events(answer.iter_lines())
        seen = [next(reading) for _ in range(7)]
        response_id = seen[0]["response"]["id"]
        client.post(f"{URL}/{response_id}/cancel")
        seen += list(reading)
    deltas = [event["delta"] for event in seen if event["type"] == "response.output_text.delta"]
    assert (seen[-1]["type"], seen[-1]["response"]["status"]) == ("response.incomplete", "cancelled")
    kept = eventually(lambda: client.get(f"{URL}/{response_id}").json(), lambda response: response["output"])
    assert (kept["status"], kept["output"][0]["status"]) == ("cancelled", "incomplete")
    assert kept["output_text"] == "".join(deltas)


def test_one_whose_vendor_fails_is_failed(client: httpx.Client, server: LiveServer) -> None:
    answer = enqueue(client, model="simulator/error-500")
    failed = ended(client, answer.json()["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "upstream_unavailable")
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.error_code) == ("failed", "upstream_unavailable")
    cut = enqueue(client, model="simulator/cut-stream", stream=True)
    last = orjson.loads([line for line in cut.text.splitlines() if line.startswith("data: ")][-1][6:])
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["output_text"]


def test_what_is_deleted_leaves_nothing(client: httpx.Client, server: LiveServer) -> None:
    running = enqueue(client, model="simulator/hang")
    response_id = running.json()["id"]
    eventually(lambda: client.get(f"{URL}/{response_id}").json()["status"] == "in_progress")
    assert client.delete(f"{URL}/{response_id}").json()["deleted"] is True
    assert client.get(f"{URL}/{response_id}").status_code == 404
    assert job_of(server, response_id) is None
    record = LedgerReader.of(server).settled("default", running.headers["x-request-id"])
    assert (record.state, record.error_code) == ("interrupted", "cancelled")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"store": False}, 400, "stored"),
        ({"model": "nobody/nothing"}, 404, "nobody/nothing"),
        ({"previous_response_id": "resp_none"}, 404, "resp_none"),
        ({"metadata": {"max_cost_usd": 0.000001}, "model": "openai/gpt-5.5"}, 400, "max_cost_usd"),
    ],
)
def test_what_cannot_be_made_is_refused_when_it_is_asked(
    client: httpx.Client, changes: dict[str, Any], status: int, said: str
) -> None:
    answer = client.post(URL, json={"model": "simulator/chat", "input": "hi", "background": True, **changes})
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_only_a_stream_in_the_background_can_be_resumed(client: httpx.Client) -> None:
    plain = client.post(URL, json={"model": "simulator/chat", "input": "hi"}).json()["id"]
    polled = enqueue(client).json()["id"]
    for place in (f"{plain}?stream=true", f"{polled}?stream=true", f"{plain}?starting_after=1"):
        answer = client.get(f"{URL}/{place}")
        assert answer.status_code == 400, answer.text
    assert client.get(f"{URL}/resp_none?stream=true").status_code == 404


def test_another_project_sees_nothing(client: httpx.Client, server: LiveServer) -> None:
    response_id = enqueue(client, model="simulator/hang", stream=False).json()["id"]
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.other_key}"}, timeout=60
    ) as other:
        url = f"{URL}/{response_id}"
        for answer in (
            other.get(url),
            other.get(url, params={"stream": "true"}),
            other.post(f"{url}/cancel"),
            other.delete(url),
        ):
            assert answer.status_code == 404, answer.text
    assert client.get(f"{URL}/{response_id}").json()["status"] in ("queued", "in_progress")
    assert client.delete(f"{URL}/{response_id}").status_code == 200

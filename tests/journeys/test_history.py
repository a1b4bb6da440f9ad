"""The history of requests over HTTP: complete, adding up, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import orjson
import pytest

from tests.journeys.dialects import DEPRECATED, DIALECTS, IPOP, LLAMA, LONG, MANIAC, Dialect
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

MODEL = "claude-sonnet-4.6"
"""Simulated, and priced."""
PREFIX = IPOP.prefix
EVERY = ("/request-history", "/request-history/export", "/usage", "/usage/export", "/account/meter-events",
         "/account/meter-events/export")  # fmt: skip

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)


@pytest.fixture
def admin(server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"X-Admin-Token": server.admin_token}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


def get(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(PREFIX + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(client: httpx.Client, dialect: Dialect = IPOP, model: str = MODEL, **more: Any) -> str:
    """The id of an answered request."""
    answer = client.post(dialect.url, json=dialect.chat(model, **more))
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


@each
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_request_of_every_api_is_in_the_history(
    client: httpx.Client, admin: httpx.Client, dialect: Dialect, stream: bool
) -> None:
    request_id = ask(client, dialect, stream=stream)
    record = get(client, f"/request-history/{request_id}")
    listed = get(client, "/request-history", limit=5)
    assert {**record, "result_preview": ""} in [{**one, "result_preview": ""} for one in listed]
    assert (record["model"], record["requested_model_id"], record["execution_kind"]) == (MODEL, MODEL, "chat")
    assert record["status"] == "completed"
    assert record["tokens_in"] > 0 < record["tokens_out"]
    assert record["cost"] == pytest.approx((3 * record["tokens_in"] + 15 * record["tokens_out"]) / 1e6)
    assert record["completed_at"] == record["updated_at"] >= record["started_at"]
    route = record["request_metadata"]["route"]
    assert (route["api"], route["streamed"], route["provider"]) == (dialect.api, stream, "simulator")
    assert [(one["vendor"], one["fate"]) for one in route["attempts"]] == [("simulator", "answered")]
    assert 0 <= route["first_byte_ms"] <= route["latency_ms"]
    events = get(admin, f"/admin/inference/{request_id}/timeline")["events"]
    assert kinds(events) == ["submitted", "assigned", "first_progress", "completed"]
    assert [event["event_seq"] for event in events] == [1, 2, 3, 4]
    assert [event["occurred_at"] for event in events] == sorted(event["occurred_at"] for event in events)
    assert events[-1]["attrs"]["tokens_out"] == record["tokens_out"]
    assert events[-1]["attrs"]["cost"] == record["cost"]


def test_what_failed_and_what_was_left_is_told(client: httpx.Client, admin: httpx.Client) -> None:
    failed = client.post(IPOP.url, json=IPOP.chat("simulator/error-429")).headers["x-request-id"]
    record = get(client, f"/request-history/{failed}")
    assert (record["status"], record["error"]) == ("failed", "rate_limit_exceeded")
    assert record["request_metadata"]["route"]["attempts"][0]["error"] == "Throttled"
    assert kinds(get(admin, f"/admin/inference/{failed}/timeline")["events"]) == ["submitted", "assigned", "failed"]
    with client.stream("POST", IPOP.url, json=IPOP.chat("simulator/slow-40ms", stream=True, messages=LONG)) as answer:
        next(answer.iter_lines())
        left = answer.headers["x-request-id"]
    record = eventually(lambda: get(client, f"/request-history/{left}"), lambda seen: seen["status"] == "canceled")
    assert record["cancellation_reason"] == "hung_up"
    listed = get(admin, f"/admin/inference/{left}/timeline")["events"]
    assert (listed[-1]["kind"], listed[-1]["actor_type"]) == ("canceled", "user")


def test_the_list_is_filtered_and_paged(client: httpx.Client) -> None:
    ids = [ask(client, dialect) for dialect in (MANIAC, IPOP, IPOP, LLAMA, IPOP)]
    mine = [record["request_id"] for record in get(client, "/request-history", limit=5)]
    assert mine == ids[::-1]
    first = get(client, "/request-history", api="ipop", limit=2)
    assert [record["request_id"] for record in first] == [ids[4], ids[2]]
    following = get(client, "/request-history", api="ipop", limit=1, after=ids[2])
    assert [record["request_id"] for record in following] == [ids[1]]
    assert get(client, "/request-history", model="simulator/unheard-of") == []
    assert {record["status"] for record in get(client, "/request-history", status="failed")} <= {"failed"}
    since = get(client, f"/request-history/{ids[3]}")["started_at"]
    assert [record["request_id"] for record in get(client, "/request-history", created_at_from=since)] == ids[:2:-1]
    until = get(client, "/request-history", created_at_to=since, limit=3)
    assert [record["request_id"] for record in until] == ids[2::-1]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"after": "req_unknown"}, 404), ({"created_at_from": "yesterday"}, 400), ({"created_at_to": ""}, 400)],
)
def test_a_list_that_cannot_be_made_is_refused(client: httpx.Client, query: dict[str, Any], status: int) -> None:
    assert client.get(PREFIX + "/request-history", params=query).status_code == status


def test_another_project_sees_nothing_of_it_and_the_admin_all(
    client: httpx.Client, other: httpx.Client, admin: httpx.Client
) -> None:
    request_id = ask(client, store=True)
    for path in EVERY:
        assert request_id in client.get(PREFIX + path).text
        assert request_id not in other.get(PREFIX + path).text
    for cursor, path in ((request_id, "/request-history"), (f"{request_id}.output_tokens", "/account/meter-events")):
        name = "after" if path == "/request-history" else "cursor"
        assert other.get(PREFIX + path, params={name: cursor}).status_code == 404
    assert get(other, "/account/meter-events", search=request_id)["records"] == []
    one = f"{PREFIX}/request-history/{request_id}"
    assert other.get(one).status_code == 404
    assert other.post(one + "/feedback", json={"rating": 1}).status_code == 404
    assert other.post(one + "/replay").status_code == 404
    ours = {"request_id": request_id}
    assert len(admin.post(PREFIX + "/admin/inference/events", json=ours).json()["events"]) == 4
    assert admin.get(f"{PREFIX}/admin/inference/export").text.count(request_id) == 4
    for path in ("events", "export", "stats", f"{request_id}/feedback", f"{request_id}/timeline"):
        method = "POST" if path == "events" else "GET"
        for nobody in (client, other):
            assert nobody.request(method, f"{PREFIX}/admin/inference/{path}").status_code == 401
    for nobody in (client, other):
        assert nobody.get(PREFIX + "/admin/coding-optimization").status_code == 401


def test_feedback_is_kept_and_shown_to_the_operator(client: httpx.Client, admin: httpx.Client) -> None:
    request_id = ask(client)
    before = get(admin, "/admin/inference/stats")["feedback_records"]
    told = {"rating": -1, "outcome": "wrong", "task_type": "coding", "notes": "it does not compile"}
    answer = client.post(f"{PREFIX}/request-history/{request_id}/feedback", json=told)
    assert answer.json() == {"object": "request.feedback", "request_id": request_id, "recorded": True}
    (opinion,) = get(admin, f"/admin/inference/{request_id}/feedback")["feedback"]
    assert opinion.items() >= {**told, "request_id": request_id, "model": MODEL}.items()
    assert get(admin, "/admin/inference/stats")["feedback_records"] == before + 1
    for bad in ({}, {"notes": "x" * 20_000}, {"rating": 2}):
        assert client.post(f"{PREFIX}/request-history/{request_id}/feedback", json=bad).status_code == 400
    assert client.post(f"{PREFIX}/request-history/req_unknown/feedback", json=told).status_code == 404


def test_a_stored_chat_is_really_asked_again(client: httpx.Client) -> None:
    first = client.post(MANIAC.url, json=MANIAC.chat(MODEL, store=True, seed=7))
    request_id = first.headers["x-request-id"]
    assert "result_preview" in get(client, f"/request-history/{request_id}")
    again = client.post(f"{PREFIX}/request-history/{request_id}/replay")
    assert again.status_code == 200, again.text
    assert again.json()["choices"][0]["message"] == first.json()["choices"][0]["message"]
    record = get(client, f"/request-history/{again.headers['x-request-id']}")
    assert record["request_metadata"]["route"]["replay_of"] == request_id
    assert record["cost"] == get(client, f"/request-history/{request_id}")["cost"] > 0
    assert "result_preview" not in record


def test_what_was_not_kept_cannot_be_asked_again(client: httpx.Client) -> None:
    refused = client.post(f"{PREFIX}/request-history/{ask(client)}/replay")
    assert (refused.status_code, refused.json()["error_type"]) == (400, "content_not_retained")


def test_events_are_paged_without_a_gap(client: httpx.Client, admin: httpx.Client) -> None:
    ids = [ask(client) for _ in range(3)]
    seen: list[dict[str, Any]] = []
    cursor = None
    while len(seen) < 12:
        body = {"limit": 5, "cursor": cursor, "model": MODEL}
        page = admin.post(PREFIX + "/admin/inference/events", json=body).json()
        seen, cursor = seen + page["events"], page["next_cursor"]
    assert len({event["id"] for event in seen}) == len(seen)
    expected = [(request_id, number) for request_id in ids[::-1] for number in (4, 3, 2, 1)]
    assert [(event["request_id"], event["event_seq"]) for event in seen[:12]] == expected
    wanted = {"kinds": ["completed"], "limit": 3, "model": MODEL}
    only = admin.post(PREFIX + "/admin/inference/events", json=wanted).json()["events"]
    assert [(event["request_id"], event["kind"]) for event in only] == [(one, "completed") for one in ids[::-1]]
    refused = admin.post(PREFIX + "/admin/inference/events", json={"cursor": "nothing"})
    assert refused.status_code == 404


def test_coding_sessions_are_counted_from_what_requests_carried(client: httpx.Client, admin: httpx.Client) -> None:
    told = {"session_id": "coding-1", "request_type": "apply", "apply_model_requests": 2, "read_file_cache_hits": 3}
    ids = [ask(client, metadata=told) for _ in range(2)]
    ask(client, metadata={**told, "session_id": "coding-2"})
    summary = get(admin, "/admin/coding-optimization", session_id="coding-1", window_seconds=600)
    assert (summary["total_requests"], summary["coding_requests"], summary["apply_requests"]) == (2, 2, 2)
    assert summary["cli_apply_model_requests"] == 4
    spent = sum(get(client, f"/request-history/{request_id}")["tokens_in"] for request_id in ids)
    assert summary["provider_input_tokens"] == spent
    assert [(one["session_id"], one["request_count"]) for one in summary["by_session"]] == [("coding-1", 2)]
    assert sum(bucket["request_count"] for bucket in summary["trends"]) == 2
    assert summary["filters"] == {"session_id": "coding-1"}


# what adds up


MIX = Random(4)


def spend(client: httpx.Client, turn: int) -> str:
    """One request of the kinds that there are, by turns; all cost but the kept and the failed ones."""
    dialect = DIALECTS[turn % len(DIALECTS)]
    words = [{"role": "user", "content": "word " * MIX.randint(1, 60)}]
    match turn % 7:
        case 0:
            body = {"model": MODEL, "messages": words, "metadata": {"cache_mode": "aggressive"}}
            client.post(IPOP.url, json=body)
            return client.post(IPOP.url, json=body).headers["x-request-id"]
        case 1:
            return client.post(dialect.url, json=dialect.chat("simulator/cut-stream", stream=True)).headers[
                "x-request-id"
            ]
        case 2:
            body = dialect.chat("simulator/slow-20ms", stream=True, messages=LONG)
            with client.stream("POST", dialect.url, json=body) as answer:
                next(answer.iter_lines())
                return answer.headers["x-request-id"]
        case 3:
            body = {"model": MODEL, "input": "word " * MIX.randint(1, 60)}
            return client.post(PREFIX + "/responses", json=body).headers["x-request-id"]
        case 4:
            body = {"model": MODEL, "prompt": "word " * MIX.randint(1, 60)}
            path = DEPRECATED.prefix + "/v1/openai/v1/completions"
            return client.post(path, json=body).headers["x-request-id"]
        case 5:
            body = {"model": MODEL, "input": "word " * MIX.randint(1, 60), "rlm": {"engine": "lambda"}}
            return client.post(MANIAC.prefix + "/v1/rlm/responses", json=body).headers["x-request-id"]
    return ask(client, dialect, stream=bool(turn % 2), messages=words)


def test_money_adds_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("money"), CONCORDAT_CACHE_BYTES="1000000") as server:
        done = server.cli("credits", "set", "10")
        assert done.returncode == 0, done.stderr
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            for turn in range(42):
                spend(client, turn)
            eventually(lambda: get(client, "/request-history", status="running"), lambda running: not running)
            check_sums(client, server)


def check_sums(client: httpx.Client, server: LiveServer) -> None:
    records = get(client, "/request-history/export")
    assert {record["status"] for record in records} == {"completed", "failed", "canceled"}
    assert {record["request_metadata"]["route"]["api"] for record in records} == {one.api for one in DIALECTS}
    usage, exported = get(client, "/usage", limit=500), get(client, "/usage/export")
    listed, events = get(client, "/account/meter-events"), get(client, "/account/meter-events/export")
    spent = total(record["cost"] for record in records)
    assert spent > 0
    assert spent == total([usage["total_cost"]]) == total(one["cost"] for one in usage["records"])
    assert spent == total([exported["total_cost"]]) == total(one["cost"] for one in exported["records"])
    assert spent == total([events["total_cost_usd"]]) == total(one["cost_usd"] for one in events["records"])
    assert spent == total([listed["total_cost_usd"]]) == total(one["cost_usd"] for one in listed["meters"])
    assert {**listed, "records": 0} == {**events, "records": 0}
    assert usage | {"records": 0} == exported | {"records": 0}
    tokens = sum(record["tokens_in"] + record["tokens_out"] for record in records)
    assert tokens == listed["total_quantity"] == usage["total_tokens_in"] + usage["total_tokens_out"]
    assert listed["total_free_quantity"] > 0
    shown = orjson.loads(server.cli("credits", "show", "--json").stdout)
    assert 10_000_000 - spent == total([shown["balance_usd"]])


def total(amounts: Any) -> int:
    """Micro-dollars."""
    exact = sum((Decimal(str(amount)) for amount in amounts), Decimal())
    assert exact * 1_000_000 == int(exact * 1_000_000)
    return int(exact * 1_000_000)

"""Stored chats: what one API stores the others show, and what was acknowledged is still there after a kill."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from server.cli import app
from tests.journeys.dialects import payloads
from tests.journeys.speaking import speaking
from tests.live import LiveServer, running

MANIAC = "/maniac/v1/chat/completions"
DEPRECATED = "/llama-stack-deprecated/v1/openai/v1/chat/completions"
TRACES = "/maniac/v1/traces"
MODEL, OTHER_MODEL = "simulator/chat", "claude-sonnet-4.6"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def mine(server: LiveServer) -> Iterator[httpx.Client]:
    """Speaks for a project that nobody else uses."""
    slug = f"p-{uuid.uuid4().hex[:8]}"
    CliRunner().invoke(app, ["projects", "create", slug], env=server.environment)
    made = CliRunner().invoke(app, ["keys", "create", "--project", slug, "--json"], env=server.environment)
    key = orjson.loads(made.stdout)["key"]
    with speaking(server, key) as client:
        yield client


def user(text: str = "Hello") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def ask(client: httpx.Client, path: str = MANIAC, **more: Any) -> dict[str, Any]:
    answer = client.post(path, json={"model": MODEL, "messages": user()} | more)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


def stream(client: httpx.Client, path: str, **more: Any) -> list[dict[str, Any]]:
    body = {"model": MODEL, "messages": user(), "stream": True} | more
    with client.stream("POST", path, json=body) as answer:
        return [orjson.loads(text) for text in payloads(answer.iter_lines()) if text != "[DONE]"]


def listed(client: httpx.Client, path: str = MANIAC, **params: Any) -> dict[str, Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["data"]]


def with_metadata(client: httpx.Client, metadata: dict[str, Any]) -> list[str]:
    return ids(client.request("GET", MANIAC, json=metadata).json())


def test_a_chat_is_stored_unless_the_client_says_no(mine: httpx.Client) -> None:
    trace = {"id": "t", "span_id": "s"}
    made = ask(mine, metadata={"user": "u1"}, tags=["a"], trace=trace)
    ask(mine, store=False)
    stored = mine.get(f"{MANIAC}/{made['id']}").json()
    assert stored["choices"] == made["choices"]
    assert stored["usage"] == made["usage"]
    assert (stored["model"], stored["provider"], stored["created"]) == (MODEL, "simulator", made["created"])
    assert (stored["metadata"], stored["tags"], stored["trace"]) == ({"user": "u1"}, ["a"], trace)
    assert (stored["container"], stored["spend"]) == (None, 0)
    page = listed(mine)
    assert (page["data"], page["total"]) == ([stored], 1)


def test_what_one_api_stores_the_other_shows(mine: httpx.Client) -> None:
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    first = ask(mine, messages=[{"role": "system", "content": "Sing."}, *user()], logprobs=True, top_logprobs=1)
    second = ask(mine, DEPRECATED, tools=[TOOL], tool_choice="required")
    assert ids(listed(mine)) == ids(listed(mine, DEPRECATED)) == [second["id"], first["id"]]
    shown = mine.get(f"{DEPRECATED}/{first['id']}").json()
    assert shown["input_messages"] == [{"role": "system", "content": "Sing."}, *user()]
    assert shown["choices"][0]["message"]["content"] == first["choices"][0]["message"]["content"]
    assert shown["choices"][0]["logprobs"]["content"]
    assert mine.get(f"{DEPRECATED}/{second['id']}").json()["choices"] == second["choices"]
    calls = mine.get(f"{MANIAC}/{second['id']}").json()["choices"][0]["message"]["tool_calls"]
    assert calls[0]["function"]["name"] == "weather"
    refused = mine.post(MANIAC, json={"model": MODEL, "messages": [{"role": "user", "content": parts}]})
    assert listed(mine)["total"] == (3 if refused.status_code == 200 else 2)
    assert mine.get(DEPRECATED).status_code == 200


@pytest.mark.parametrize("path", [MANIAC, DEPRECATED])
@pytest.mark.parametrize("more", [{}, {"tools": [TOOL], "tool_choice": "required"}, {"n": 2, "logprobs": True}])
def test_a_stream_is_stored_under_its_chunk_id_as_the_whole_message(
    mine: httpx.Client, path: str, more: dict[str, Any]
) -> None:
    whole = ask(mine, path, **more)
    events = stream(mine, path, **more)
    (chunk_id,) = {event["id"] for event in events}
    stored = mine.get(f"{path}/{chunk_id}").json()
    expected = mine.get(f"{path}/{whole['id']}").json()
    for choices in (stored["choices"], expected["choices"]):
        for choice in choices:
            for call in choice["message"].get("tool_calls") or []:
                del call["id"]
    assert stored["choices"] == expected["choices"]
    assert stored.get("usage") == expected.get("usage")


def test_a_cut_stream_is_not_stored(mine: httpx.Client) -> None:
    stream(mine, DEPRECATED, model="simulator/cut-stream")
    with mine.stream(
        "POST", MANIAC, json={"model": "simulator/slow-300ms", "messages": user(), "stream": True}
    ) as half:
        next(payloads(half.iter_lines()))
    ask(mine)
    assert listed(mine)["total"] == 1


def test_lists_are_filtered_ordered_and_paged(mine: httpx.Client) -> None:
    mine.post("/maniac/v1/containers", json={"label": "support", "initial_model": MODEL})
    first = ask(mine, metadata={"n": 1, "deep": {"a": 1, "b": [2]}})["id"]
    second = ask(mine, model=OTHER_MODEL, metadata={"n": 2, 'odd"key': None})["id"]
    third = ask(mine, model="maniac:support", metadata={"n": 1})["id"]
    assert listed(mine, limit=2) | {"data": 0} == {"object": "list", "data": 0, "total": 3}
    assert ids(listed(mine, limit=2)) == [third, second]
    assert ids(listed(mine, limit=2, offset=2)) == [first]
    assert ids(listed(mine, order="asc")) == [first, second, third]
    assert ids(listed(mine, model=MODEL)) == ids(listed(mine, model="simulator:chat")) == [third, first]
    assert listed(mine, model=OTHER_MODEL)["total"] == 1
    for name in ("support", "maniac:support"):
        page = listed(mine, container=name)
        assert (ids(page), page["total"], page["data"][0]["container"]) == ([third], 1, "support")
    assert ids(listed(mine, model="maniac:support")) == [third]
    assert with_metadata(mine, {"n": 1}) == [third, first]
    assert with_metadata(mine, {"n": 1, "deep": {"b": [2], "a": 1}}) == [first]
    assert with_metadata(mine, {'odd"key': None}) == [second]
    assert with_metadata(mine, {"n": "1"}) == with_metadata(mine, {"deep": None}) == []
    assert mine.get(MANIAC, params={"container": "nobody"}).status_code == 404


def test_cursors_lead_through_every_chat(mine: httpx.Client) -> None:
    made = [ask(mine, DEPRECATED, messages=user(str(n)))["id"] for n in range(3)]
    ask(mine, DEPRECATED, model=OTHER_MODEL)
    page = listed(mine, DEPRECATED, limit=2, model=MODEL)
    assert (ids(page), page["has_more"]) == ([made[2], made[1]], True)
    assert (page["first_id"], page["last_id"]) == (made[2], made[1])
    rest = listed(mine, DEPRECATED, limit=2, model=MODEL, after=page["last_id"])
    assert (ids(rest), rest["has_more"]) == ([made[0]], False)
    assert ids(listed(mine, DEPRECATED, order="asc", model=MODEL, after=made[0])) == made[1:]
    everything = listed(mine, DEPRECATED, limit=-1)
    assert (len(everything["data"]), everything["has_more"]) == (4, False)
    nothing = listed(mine, DEPRECATED, model="no/such")
    assert (nothing["data"], nothing["has_more"], nothing["first_id"], nothing["last_id"]) == ([], False, "", "")
    assert mine.get(DEPRECATED, params={"after": "chatcmpl-nobody"}).status_code == 404


def test_another_project_sees_none_of_it(mine: httpx.Client, client: httpx.Client) -> None:
    made = ask(mine, trace={"id": "private"})["id"]
    for path in (f"{MANIAC}/{made}", f"{DEPRECATED}/{made}", f"{TRACES}/private"):
        assert mine.get(path).status_code == 200
        assert client.get(path).status_code == 404
    assert made not in ids(listed(client, limit=100))
    assert made not in ids(listed(client, DEPRECATED, limit=-1))


def test_chats_made_elsewhere_are_registered_once_and_faults_are_told(mine: httpx.Client) -> None:
    mine.post("/maniac/v1/containers", json={"label": "support", "initial_model": MODEL})
    message = {"role": "assistant", "content": "Hi"}
    output = {"id": "theirs-1", "model": "their/model", "created": 1710000000, "choices": [{"message": message}]}
    asked = {"messages": user("Anybody?"), "metadata": {"from": "input"}, "tags": ["x"]}
    items = [
        {"input": asked, "output": output, "tags": ["y"], "metadata": {"kept": True}},
        {"input": {"messages": user("No answer")}},
        {"input": {"messages": [], "tools": None, "response_format": None, "prediction": None}},
    ]
    done = mine.post(f"{MANIAC}/register", json={"container": "maniac:support", "items": items}).json()
    assert (done["ok"], done["container"]) == (False, "support")
    assert done["summary"] == {"inserted": 2, "skipped": 0, "failed": 1}
    assert [error["index"] for error in done["errors"]] == [2]
    again = mine.post(f"{MANIAC}/register", json={"container": "support", "items": items[:1]}).json()
    assert (again["ok"], again["summary"]) == (True, {"inserted": 0, "skipped": 1, "failed": 0})
    stored = mine.get(f"{MANIAC}/theirs-1").json()
    assert (stored["model"], stored["created"], stored["container"]) == ("their/model", 1710000000, "support")
    assert (stored["tags"], stored["metadata"]) == (["x", "y"], {"from": "input", "kept": True})
    shown = mine.get(f"{DEPRECATED}/theirs-1").json()
    assert shown["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert shown["input_messages"] == user("Anybody?")
    page = listed(mine, container="support")
    assert (page["total"], page["data"][0]["choices"]) == (2, [])
    assert mine.post(f"{MANIAC}/register", json={"container": "nobody", "items": []}).status_code == 404


@pytest.mark.parametrize("spend", [0.000251, 0.29, 1.1, 0, 4e-7, 123456.789012])
def test_what_a_chat_from_elsewhere_cost_is_kept_to_the_millionth(mine: httpx.Client, spend: float) -> None:
    mine.post("/maniac/v1/containers", json={"label": "support", "initial_model": MODEL})
    item = {"input": {"messages": user("Anybody?")}, "output": {"id": f"spent-{spend}", "choices": [], "spend": spend}}
    mine.post(f"{MANIAC}/register", json={"container": "support", "items": [item]})
    assert mine.get(f"{MANIAC}/spent-{spend}").json()["spend"] == round(spend, 6)


def test_traces_are_computed_from_the_requests_that_name_them(mine: httpx.Client) -> None:
    mine.post("/maniac/v1/containers", json={"label": "support", "initial_model": OTHER_MODEL})
    ask(mine, trace={"id": "t1", "span_id": "plan", "name": "first", "source": "app"})
    ask(mine, trace={"id": "t1", "span_id": "write", "parent_span_id": "plan"}, model="maniac:support", store=False)
    body = {"model": "simulator/error-500", "messages": user(), "trace": {"id": "t1", "span_id": "write"}}
    assert mine.post(MANIAC, json=body).status_code >= 500
    stream(mine, MANIAC, trace={"id": "t2"})
    page = listed(mine, TRACES)
    assert (ids(page), page["total"]) == (["t2", "t1"], 2)
    assert ids(listed(mine, TRACES, limit=1, offset=1)) == ["t1"]
    summary = page["data"][1]
    assert (summary["name"], summary["source"]) == ("first", "app")
    counts = ("request_count", "success_count", "error_count", "container_count")
    assert [summary[name] for name in counts] == [3, 2, 1, 1]
    assert summary["spend"] > 0
    trace = mine.get(f"{TRACES}/t1").json()
    assert (trace["name"], trace["request_count"], trace["error_count"]) == ("first", 3, 1)
    assert trace["trace_context"] == {"id": "t1", "span_id": "write"}
    plan, write = trace["spans"]
    assert (plan["span_id"], plan["attempt_count"], plan["latest_status"]) == ("plan", 1, "success")
    assert (write["parent_span_id"], write["attempt_count"], write["latest_status"]) == ("plan", 2, "error")
    assert write["latest_inference_log_id"] == write["inference_log_ids"][-1]
    assert mine.get(f"{TRACES}/nobody").status_code == 404


def test_what_was_answered_is_stored_though_the_server_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "killed") as server:
        with speaking(server) as client:
            whole = ask(client)["id"]
            streamed = stream(client, DEPRECATED)[0]["id"]
            server.stop(signal.SIGKILL)
        server.start()
        with speaking(server) as client:
            assert ids(listed(client)) == [streamed, whole]

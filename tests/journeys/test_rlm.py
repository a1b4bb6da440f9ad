"""Recursive language models over HTTP, with a vendor that answers with code."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.providers.fake_vendor import FakeVendor, Reply, Seen, json_reply
from tests.journeys.hanging_up import asking
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import LoopbackVendor, settings_for, vendors
from tests.journeys.speaking import speaking
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

URL = "/maniac/v1/rlm/responses"
MODEL = "openai/gpt-5.5"
COST = 100 * 5 + 10 * 30
"""In micro-dollars, of one call; see the built-in catalog."""
TEXT = "".join(f"{number}: {'x' * 100}\n" for number in range(10_000)) + "the secret is 4711\n"
PAGE = b"<html><title>Concord</title><body><p>An agreement.</p></body></html>"


def said(text: str) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return json_reply(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5.5", "choices": [choice], "usage": usage}
    )


def block(code: str) -> Reply:
    return said(f"```repl\n{code}\n```")


def prompt_of(seen: Seen) -> str:
    return str(seen.body["messages"][-1]["content"])


def is_root(seen: Seen) -> bool:
    return "`context`" in str(seen.body["messages"][0]["content"])


def steps(leaf: Callable[[Seen], Reply], *replies: Reply) -> Callable[[Seen], Reply]:
    left = list(replies)
    return lambda seen: left.pop(0) if is_root(seen) else leaf(seen)


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, LoopbackVendor]]:
    with vendors() as both:
        yield both


@pytest.fixture
def openai(served: dict[str, LoopbackVendor]) -> FakeVendor:
    return served["openai"].ready().fake


@pytest.fixture(scope="module")
def web(served: dict[str, LoopbackVendor]) -> FakeVendor:
    """A search engine and a page, where nobody asks for chats."""
    fake = served["anthropic"].fake
    fake.choose = lambda seen: (
        json_reply({"results": [{"title": "Concord", "url": f"{fake.url}/page", "content": "of it"}]})
        if seen.path.startswith("/search")
        else Reply([PAGE], content_type="text/html")
    )
    return fake


@pytest.fixture(scope="module")
def live(
    served: dict[str, LoopbackVendor], web: FakeVendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    settings = settings_for(served) | {"SEARXNG_BASE_URL": web.url, "CONCORDAT_ALLOW_PRIVATE_OUTBOUND": "true"}
    with running(tmp_path_factory.mktemp("rlm"), **settings) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def user(live: LiveServer) -> Iterator[httpx.Client]:
    with speaking(live) as user:
        yield user


@pytest.fixture
def other(live: LiveServer) -> Iterator[httpx.Client]:
    with speaking(live, live.other_key) as other:
        yield other


def create(client: httpx.Client, status: int = 200, **body: Any) -> Any:
    answer = client.post(URL, json={"model": MODEL, "input": TEXT, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def retrieve(client: httpx.Client, response_id: str) -> Any:
    answer = client.get(f"{URL}/{response_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(client: httpx.Client, response_id: str) -> Any:
    return eventually(lambda: retrieve(client, response_id), lambda found: found["status"] != "in_progress")


def test_a_megabyte_is_worked_on_and_never_sent(
    user: httpx.Client, other: httpx.Client, live: LiveServer, openai: FakeVendor
) -> None:
    find = "import re\npart = re.search('the secret.*', context)[0]\nparts = llm_query_batched([part, 'other'])"
    openai.choose = steps(lambda seen: said(f"<{prompt_of(seen)}>"), block(find), said("FINAL_VAR(parts)"))
    before = counted(live)
    made = create(user, instructions="What is the secret?", metadata={"source": "test"})
    assert (made["status"], made["model"], made["store"]) == ("completed", MODEL, False)
    assert made["metadata"] == {"source": "test"}
    assert made["output_text"] == made["output"][0]["content"][0]["text"] == '["<the secret is 4711>","<other>"]'
    assert made["usage"] == {"input_tokens": 400, "output_tokens": 40, "total_tokens": 440}
    assert made["error"] is None
    assert len(openai.seen) == 4
    assert max(len(str(seen.body)) for seen in openai.seen) < 20_000
    assert retrieve(user, made["id"]) == made
    missing = other.get(f"{URL}/{made['id']}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "RESPONSE_NOT_FOUND")
    check_records(live, made["id"], calls=4)
    eventually(lambda: counted(live), lambda now: now == before + 5)


def counted(live: LiveServer) -> float:
    """The requests that the metrics tell of: a run's own, and each of its calls."""
    page = httpx.get(f"{live.url}/-/metrics", headers={"Authorization": f"Bearer {live.admin_token}"}).text
    lines = re.findall(r'_request_duration_seconds_count\{.*operation="rlm_responses_create".*\} (.*)', page)
    return sum(float(line) for line in lines)


def check_records(live: LiveServer, response_id: str, calls: int) -> None:
    """Each call has a row that costs, and the request that they were made for has one that does not."""
    found = [row for row in LedgerReader.of(live).all("default") if response_id in str(row.metadata)]
    parent = next(row for row in found if "calls" in row.metadata["rlm"])  # type: ignore[index]
    rows = [row for row in found if row is not parent]
    assert len(rows) == calls
    told = {(row.state, row.kind, row.provider, row.cost_micros) for row in rows}
    assert told == {("completed", "chat", "openai", COST)}
    assert {row.metadata["rlm"]["request_id"] for row in rows} == {parent.request_id}  # type: ignore[index]
    assert (parent.cost_micros, parent.prompt_tokens, parent.state) == (0, 0, "completed")
    assert parent.metadata is not None
    assert parent.metadata["rlm"]["cost_micros"] == calls * COST


def test_tools_search_and_read_the_web(user: httpx.Client, openai: FakeVendor, web: FakeVendor) -> None:
    read = "hit = web_search('concord')[0]\nFINAL(hit['title'] + ': ' + browser_read_page(hit['url']))"
    openai.choose = steps(lambda seen: said(""), block(read))
    made = create(user, input="What is concord?", rlm={"enabled_tools": ["web_search", "browser_read_page"]})
    assert made["output_text"] == "Concord: Concord\n\nAn agreement."
    assert [seen.path for seen in web.seen[-2:]] == ["/search?q=concord&format=json", "/page"]


def test_a_limit_that_is_reached_is_told_with_what_was_used(user: httpx.Client, openai: FakeVendor) -> None:
    openai.choose = lambda seen: block("print(len(context))")
    made = create(user, rlm={"max_iterations": 2, "max_budget": 1, "max_timeout": 60, "max_depth": 1})
    assert (made["status"], made["output"], made["output_text"]) == ("failed", None, None)
    assert made["error"]["code"] == "MAX_ITERATIONS_EXCEEDED"
    assert made["error"]["details"] == {"model_calls": 2, "cost_usd": 2 * COST / 1_000_000}
    assert made["usage"]["total_tokens"] == 220
    assert retrieve(user, made["id"]) == made


def test_a_client_that_hangs_up_ends_the_run(live: LiveServer, openai: FakeVendor) -> None:
    openai.choose = steps(lambda seen: Reply(before="stall"), block("llm_query('wait')"))
    with asking(live, URL, {"model": MODEL, "input": "x", "metadata": {"who": "hasty"}}):
        eventually(lambda: "wait" in list(map(prompt_of, openai.seen)))
    eventually(openai.gone.is_set)
    rows = eventually(
        lambda: [row for row in LedgerReader.of(live).all("default") if row.state == "interrupted"],
        lambda rows: len(rows) == 2,
    )
    assert {row.cost_micros for row in rows} == {0}
    assert {row.error_code for row in rows} == {None, "hung_up"}


def test_a_run_in_the_background_outlives_a_killed_server(
    served: dict[str, LoopbackVendor], openai: FakeVendor, tmp_path: Path
) -> None:
    second = block("FINAL(parts + [llm_query('c')])")
    stalled = {"c": True}

    def leaf(seen: Seen) -> Reply:
        stalls = prompt_of(seen) == "c" and stalled["c"]
        return Reply(before="stall") if stalls else said(prompt_of(seen).upper())

    openai.choose = steps(leaf, block("parts = llm_query_batched(['a', 'b'])"), second)
    with running(tmp_path, **settings_for(served)) as server, speaking(server) as client:
        begun = create(client, background=True)
        assert (begun["status"], begun["output"], begun["usage"]) == ("in_progress", None, None)
        eventually(lambda: "c" in list(map(prompt_of, openai.seen)))
        assert retrieve(client, begun["id"]) == begun
        server.stop(signal.SIGKILL)
        stalled["c"] = False
        server.start()
        with speaking(server) as again, speaking(server, server.other_key) as stranger:
            assert stranger.get(f"{URL}/{begun['id']}").status_code == 404
            done = ended(again, begun["id"])
        rows = [row for row in LedgerReader.of(server).all("default") if "place" in str(row.metadata)]
    assert (done["status"], done["output_text"]) == ("completed", '["A","B","C"]')
    assert sorted(prompt for prompt in map(prompt_of, openai.seen) if len(prompt) == 1) == ["a", "b", "c", "c"]
    assert done["usage"]["total_tokens"] == 5 * 110
    assert sum(row.cost_micros for row in rows) == 5 * COST


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"store": True}, 400, "INVALID_REQUEST"),
        ({"stream": True}, 400, "INVALID_REQUEST"),
        ({"input": ""}, 400, "INVALID_REQUEST"),
        ({"input": []}, 400, "INVALID_REQUEST"),
        ({"model": "nobody/nothing"}, 404, "MODEL_NOT_FOUND"),
        ({"model": "nobody/nothing", "background": True}, 404, "MODEL_NOT_FOUND"),
        ({"model": "simulator/error-429"}, 429, "RATE_LIMIT_EXCEEDED"),
        ({"model": "simulator/error-503"}, 503, "UPSTREAM_UNAVAILABLE"),
        ({"rlm": {"enabled_tools": ["web_search"]}}, 400, "TOOL_NOT_CONFIGURED"),
        ({"rlm": {"tool_config": {"web_search": {"x": 1}}}}, 400, "INVALID_TOOL_CONFIG"),
        ({"rlm": {"max_depth": 25}}, 400, "INVALID_REQUEST"),
        ({"rlm": {"engine": "quantum"}}, 400, "INVALID_REQUEST"),
        ({"metadata": {"a": "\0"}}, 400, "INVALID_REQUEST"),
        ({"temperature": 1}, 400, "INVALID_REQUEST"),
    ],
)
def test_what_cannot_be_is_refused(client: httpx.Client, body: dict[str, Any], status: int, code: str) -> None:
    answer = client.post(URL, json={"model": "simulator/chat", "input": "x", **body})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == code


def test_the_simulator_answers_what_is_planned(client: httpx.Client) -> None:
    body = {"model": "simulator/chat", "input": "a word " * 100_000, "rlm": {"engine": "lambda"}, "store": False}
    answer = client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-concordat-provider"] == "simulator"
    made = answer.json()
    assert (made["status"], bool(made["output_text"])) == ("completed", True)
    assert client.get(f"{URL}/{made['id']}").status_code == 404
    background = create(client, model="simulator/chat", input="Hello", rlm={"engine": "lambda"}, background=True)
    done = ended(client, background["id"])
    assert (done["status"], done["metadata"]) == ("completed", {})
    assert done["usage"]["total_tokens"] > 0

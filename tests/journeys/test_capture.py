"""What is said in requests: kept where a policy wants it, without secrets, found again, and forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.dialects import DIALECTS, LONG, Dialect
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

IPOP = "/ipop/v1"
SECRETS = {
    "email": "jo.planted@example.org",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "api_key": "sk-proj-Planted1234567890abcd",
    "ipv4": "203.0.113.77",
    "national_id.us": "123-45-6789",
}


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that keeps everything."""
    with running(tmp_path_factory.mktemp("keeping"), CONCORDAT_CAPTURE="all") as live:
        yield live


@pytest.fixture
def caller(keeping: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {keeping.key}"}
    with httpx.Client(base_url=keeping.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def admin(keeping: LiveServer) -> Iterator[httpx.Client]:
    headers = {"X-Admin-Token": keeping.admin_token}
    with httpx.Client(base_url=keeping.url + IPOP, headers=headers, timeout=60) as client:
        yield client


def policy(mode: str, **changes: Any) -> dict[str, Any]:
    plain = {"mode": mode, "sample_rate": 1.0, "retention_days": 7, "redact": True, "max_chars_per_message": 1000}
    return plain | changes


def say(client: httpx.Client, text: str, **body: Any) -> str:
    """The request's id."""
    content = {"model": "simulator/chat", "messages": [{"role": "user", "content": text}], **body}
    answer = client.post(f"{IPOP}/chat/completions", json=content)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-request-id"])


def messages_of(admin: httpx.Client, request_id: str) -> list[dict[str, Any]]:
    answer = admin.get(f"/admin/inference/{request_id}/messages")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["messages"])


def stored(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file() and "concordat.db" in str(path.relative_to(folder))]
    assert any("-ledger" in str(path) for path in files)
    return b"".join(path.read_bytes() for path in files)


def test_nothing_is_kept_unless_it_is_asked_for(client: httpx.Client, server: LiveServer) -> None:
    request_id = say(client, "an uncommonly rare xylographer")
    headers = {"X-Admin-Token": server.admin_token}
    with httpx.Client(base_url=server.url + IPOP, headers=headers, timeout=60) as admin:
        assert messages_of(admin, request_id) == []
    assert b"xylographer" not in stored(server.data_dir)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_chat_is_kept_with_its_answer(caller: httpx.Client, admin: httpx.Client, stream: bool) -> None:
    asked, answered = messages_of(admin, say(caller, "Tell me of concord.", stream=stream))
    assert (asked["kind"], asked["role"], asked["content"]) == ("request", "user", "Tell me of concord.")
    assert (answered["kind"], answered["role"]) == ("response", "assistant")
    assert answered["content"]
    assert [asked["message_seq"], answered["message_seq"]] == [1, 2]
    assert asked["redaction"] == {"rule_id": "default", "fields_redacted": [], "counts": {}}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
def test_every_api_keeps_what_is_said(caller: httpx.Client, admin: httpx.Client, dialect: Dialect) -> None:
    answer = caller.post(dialect.url, json=dialect.chat())
    asked, answered = messages_of(admin, answer.headers["x-request-id"])
    assert asked["content"] == "Tell me about concord."
    assert answered["content"] == dialect.text(answer.json())
    assert answered["model"] == "simulator/chat"


def test_a_response_and_a_text_completion_are_kept(caller: httpx.Client, admin: httpx.Client) -> None:
    responded = caller.post(f"{IPOP}/responses", json={"model": "simulator/chat", "input": "first the aye-aye"})
    assert [m["kind"] for m in messages_of(admin, responded.headers["x-request-id"])] == ["request", "response"]
    for stream in (False, True):
        content = {"model": "simulator/chat", "prompt": "then the okapi", "stream": stream}
        completed = caller.post("/llama-stack-deprecated/v1/openai/v1/completions", json=content)
        assert completed.status_code == 200, completed.text
        asked, answered = messages_of(admin, completed.headers["x-request-id"])
        assert (asked["role"], asked["content"]) == ("user", "then the okapi")
        assert answered["content"]


def test_no_planted_secret_comes_into_the_database(
    keeping: LiveServer, caller: httpx.Client, admin: httpx.Client
) -> None:
    text = "keep this: " + ", ".join(SECRETS.values())
    tools = [{"type": "function", "function": {"name": "mail", "description": f"to {SECRETS['email']}"}}]
    parts = [{"type": "text", "text": f"call {SECRETS['card']} now"}]
    for stream in (False, True):
        asked, *_ = messages_of(admin, say(caller, text, stream=stream, tools=tools, tool_choice="none"))
        assert set(SECRETS) <= set(asked["redaction"]["fields_redacted"])
        assert "[REDACTED:card]" in asked["content"]
        assert asked["tools"][0]["function"]["description"] == "to [REDACTED:email]"
    asked, *_ = messages_of(admin, say(caller, "", messages=[{"role": "user", "content": parts}]))
    assert asked["content_parts"] == [{"type": "text", "text": "call [REDACTED:card] now"}]
    kept = stored(keeping.data_dir)
    assert b"[REDACTED:card]" in kept
    assert [secret for secret in SECRETS.values() if secret.encode() in kept] == []


def test_a_project_has_a_policy_of_its_own(caller: httpx.Client, admin: httpx.Client, keeping: LiveServer) -> None:
    path = f"{IPOP}/projects/default/inference-policy"
    assert caller.get(path).json()["mode"] == "all"
    assert caller.put(path, json=policy("off")).json()["mode"] == "off"
    assert messages_of(admin, say(caller, "not this")) == []
    shown = admin.get("/admin/inference/policy").json()
    assert shown["global"]["mode"] == "all"
    assert [(o["project_id"], o["policy"]["mode"]) for o in shown["project_overrides"]] == [("default", "off")]
    short = policy("all", max_chars_per_message=5.0, redact=False)
    assert admin.put("/admin/inference/policy/default", json={"policy": short}).json()["max_chars_per_message"] == 5
    asked, *_ = messages_of(admin, say(caller, "123 me@example.org"))
    assert (asked["content"], asked["content_truncated"], asked["redaction"]) == ("123 m", True, None)
    assert caller.put(path, json=policy("sampled", sample_rate=0.0)).status_code == 200
    assert messages_of(admin, say(caller, "nor this")) == []
    assert caller.put(path, json=policy("all", redaction_rule_id="nonesuch")).status_code == 400
    assert caller.put(path, json=policy("all")).status_code == 200


def test_another_project_s_policy_is_not_there_and_admin_operations_want_the_admin_token(
    caller: httpx.Client, admin: httpx.Client, keeping: LiveServer
) -> None:
    path = f"{IPOP}/projects/other/inference-policy"
    assert caller.get(path).status_code == caller.put(path, json=policy("all")).status_code == 404
    assert admin.put("/admin/inference/policy/nonesuch", json={"policy": policy("all")}).status_code == 404
    assert admin.get("/admin/inference/req_nonesuch/messages").status_code == 404
    for method, path, body in (
        ("GET", "/admin/inference/policy", None),
        ("PUT", "/admin/inference/policy/default", {"policy": policy("all")}),
        ("POST", "/admin/inference/search", {"q": "x"}),
        ("GET", "/admin/inference/req_1/messages", None),
        ("GET", "/admin/inference/streams", None),
    ):
        assert caller.request(method, IPOP + path, json=body).status_code == 401


def test_what_was_said_is_found_by_its_words_page_by_page(caller: httpx.Client, admin: httpx.Client) -> None:
    ids = [say(caller, f"the narwhal number {number} & <b>co</b>") for number in range(5)]
    wanted = {"q": "narwhal number", "kind": "request", "limit": 2, "project_id": "default"}
    hits, cursor = [], None
    while True:
        page = admin.post("/admin/inference/search", json={**wanted, "cursor": cursor}).json()
        hits += page["hits"]
        cursor = page["next_cursor"]
        say(caller, "one more narwhal number")
        if cursor is None:
            break
    assert sorted(hit["request_id"] for hit in hits) == sorted(ids)
    assert "the <mark>narwhal</mark> <mark>number</mark> " in hits[0]["snippet"]
    assert "&amp; &lt;b&gt;co" in hits[0]["snippet"]
    for q in ('"', "AND", "narwhal*", "content:narwhal", "NEAR(a b)", "a\u0000b", "-", "narwhal OR ("):
        assert admin.post("/admin/inference/search", json={"q": q}).status_code == 200, q
    assert admin.post("/admin/inference/search", json={"q": "narwhal", "cursor": "???"}).status_code == 400
    assert admin.post("/admin/inference/search", json={"q": "narwhal", "project_id": "other"}).json()["hits"] == []


def test_an_open_stream_is_shown_to_administrators_of_every_process(
    keeping: LiveServer, caller: httpx.Client, admin: httpx.Client
) -> None:
    content = {"model": "simulator/slow-40ms", "messages": LONG, "stream": True}
    with caller.stream("POST", f"{IPOP}/chat/completions", json=content) as answer:
        assert answer.status_code == 200, answer.read()
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("data:"))
        shown = admin.get("/admin/inference/streams").json()
        (stream,) = shown["streams"]
        assert stream["request_id"] == answer.headers["x-request-id"]
        assert (stream["api_surface"], stream["model"]) == ("chat_completions", "simulator/slow-40ms")
        assert stream["event_count"] > 0
        assert stream["bytes_sent"] > 0
        assert shown["stream_available"] == shown["stream_limit"] - 1
    eventually(lambda: admin.get("/admin/inference/streams").json()["streams"], lambda streams: streams == [])
    caller.post(f"{IPOP}/chat/completions", json={**content, "model": "simulator/chat"}).raise_for_status()
    assert admin.get("/admin/inference/streams").json()["streams"] == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_response_in_the_background_is_kept(caller: httpx.Client, admin: httpx.Client, stream: bool) -> None:
    content = {"model": "simulator/chat", "input": "at leisure", "background": True, "stream": stream}
    request_id = caller.post(f"{IPOP}/responses", json=content).raise_for_status().headers["x-request-id"]
    asked, answered = eventually(lambda: messages_of(admin, request_id))
    assert (asked["content"], answered["kind"]) == ("at leisure", "response")


@pytest.mark.parametrize("background", [False, True])
def test_what_a_recursive_model_asks_is_kept(caller: httpx.Client, admin: httpx.Client, background: bool) -> None:
    word = f"tamandua{background}".lower()
    content = {"model": "simulator/chat", "input": word, "rlm": {"engine": "lambda"}, "background": background}
    begun = caller.post("/maniac/v1/rlm/responses", json=content).raise_for_status().json()
    path = f"/maniac/v1/rlm/responses/{begun['id']}"
    if background:
        done = eventually(lambda: caller.get(path).json(), lambda run: run["status"] != "in_progress")
        assert done["status"] == "completed"
    (hit,) = eventually(
        lambda: admin.post("/admin/inference/search", json={"q": word, "kind": "request"}).json()["hits"]
    )
    assert word in messages_of(admin, hit["request_id"])[hit["message_seq"] - 1]["content"]

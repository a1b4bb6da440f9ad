"""Batches over HTTP: a file in, files out; a bad row fails alone; half the price."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import eventually, stay_within
from tests.live import LiveServer

FINAL = {"completed", "failed", "expired", "cancelled"}
Batch = dict[str, Any]


def chat(custom_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    body = {"model": "simulator/chat", "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def upload(client: httpx.Client, *rows: Any, purpose: str = "batch") -> str:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    sent = client.post("/ipop/v1/files", data={"purpose": purpose}, files={"file": ("in.jsonl", text.encode())})
    assert sent.status_code == 200, sent.text
    file_id: str = sent.json()["id"]
    return file_id


def create(client: httpx.Client, file_id: str, **more: Any) -> Batch:
    made = client.post("/ipop/v1/batches", json={"input_file_id": file_id, **more})
    assert made.status_code == 200, made.text
    found: Batch = made.json()
    return found


def get(client: httpx.Client, batch: Batch) -> Batch:
    found: Batch = client.get(f"/ipop/v1/batches/{batch['id']}").raise_for_status().json()
    return found


def ended(client: httpx.Client, batch: Batch) -> Batch:
    return eventually(lambda: get(client, batch), lambda found: found["status"] in FINAL)


def lines(client: httpx.Client, file_id: str) -> list[Any]:
    text = client.get(f"/ipop/v1/files/{file_id}/content").raise_for_status().text
    return [json.loads(line) for line in text.splitlines()]


def test_a_bad_row_fails_alone(client: httpx.Client) -> None:
    rows = [
        chat("a"),
        chat("b", model="no/such"),
        chat("c", temperature="hot"),
        chat("d", stream=True),
        chat("e", "again"),
    ]
    batch = create(client, upload(client, *rows), metadata={"run": "7"}, endpoint="/v1/chat/completions")
    assert (batch["status"], batch["metadata"], batch["completion_window_secs"]) == ("validating", {"run": "7"}, 86400)
    done = ended(client, batch)
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 5, "completed": 2, "failed": 3})
    out = lines(client, done["output_file_id"])
    assert [line["custom_id"] for line in out] == ["a", "e"]
    assert {line["response"]["status_code"] for line in out} == {200}
    assert all(line["response"]["body"]["choices"][0]["message"]["content"] for line in out)
    failed = lines(client, done["error_file_id"])
    assert [(line["custom_id"], line["response"]["status_code"]) for line in failed] == [
        ("b", 404),
        ("c", 400),
        ("d", 400),
    ]
    assert failed[0]["response"]["body"]["error_type"] == "model_not_found"
    statuses = [(row["row_index"], row["custom_id"], row["status"]) for row in done["rows"]]
    assert statuses == [
        (0, "a", "completed"),
        (1, "b", "failed"),
        (2, "c", "failed"),
        (3, "d", "failed"),
        (4, "e", "completed"),
    ]
    assert json.loads(done["rows"][0]["output_line"]) == out[0]
    assert done["rows"][1]["error"]["error_type"] == "model_not_found"


def test_rows_cost_half_and_are_in_the_ledger(server: LiveServer, client: httpx.Client) -> None:
    priced = "openai/gpt-5.5"
    whole = client.post("/ipop/v1/chat/completions", json=chat("x", model=priced)["body"])
    assert whole.status_code == 200, whole.text
    done = ended(client, create(client, upload(client, chat("a", model=priced))))
    (line,) = lines(client, done["output_file_id"])
    record = LedgerReader.of(server).settled("default", line["response"]["request_id"])
    full = LedgerReader.of(server).settled("default", whole.headers["x-request-id"])
    assert (record.state, record.operation_id) == ("completed", "chat_completions_create")
    assert full.cost_micros > 10
    assert abs(record.cost_micros * 2 - full.cost_micros) <= 1


def test_embeddings_and_bodies_by_themselves(client: httpx.Client) -> None:
    body = {"model": "local/all-minilm-l6-v2", "input": "hello"}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": body}
    done = ended(client, create(client, upload(client, row, body), endpoint="/v1/embeddings"))
    assert done["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    out = lines(client, done["output_file_id"])
    assert [line["custom_id"] for line in out] == ["a", None]
    assert len(out[0]["response"]["body"]["data"][0]["embedding"]) == 384


def test_a_file_that_is_no_batch_fails_as_a_whole_and_says_where(client: httpx.Client) -> None:
    rows = [chat("a"), "{nonsense", chat("a"), {"custom_id": "b"}, chat("c") | {"url": "/v1/embeddings"}, ""]
    done = ended(client, create(client, upload(client, *rows)))
    assert (done["status"], done["output_file_id"]) == ("failed", None)
    assert [(fault["line"], fault["code"]) for fault in done["errors"]["data"]] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
        (4, "missing_required_parameter"),
        (5, "mismatched_url"),
    ]
    assert done["last_error"].startswith("line 2: ")
    empty = ended(client, create(client, upload(client, "\n\n")))
    assert empty["errors"]["data"][0]["code"] == "empty_file"


def test_what_is_refused_at_once(client: httpx.Client) -> None:
    def post(**body: Any) -> httpx.Response:
        return client.post("/ipop/v1/batches", json=body)

    assert post(input_file_id="file-none").status_code == 404
    assert post(input_file_id=upload(client, chat("a"), purpose="evals")).json()["error_type"] == "invalid_file_purpose"
    good = upload(client, chat("a"))
    for window in ("8d", "0s", "soon", "24"):
        assert post(input_file_id=good, completion_window=window).status_code == 400
    assert post(input_file_id=good, endpoint="/v1/images").status_code == 400
    for wrong in ("0", "101"):
        assert client.get("/ipop/v1/batches", params={"limit": wrong}).status_code == 400
    assert client.get("/ipop/v1/batches", params={"after": "batch-none"}).status_code == 404


def test_the_input_may_be_deleted_meanwhile(client: httpx.Client) -> None:
    file_id = upload(client, *(chat(str(n)) for n in range(50)))
    batch = create(client, file_id)
    assert client.delete(f"/ipop/v1/files/{file_id}").status_code in (200, 204)
    assert ended(client, batch)["request_counts"]["completed"] == 50


def test_cancelling_keeps_what_is_done(client: httpx.Client) -> None:
    rows = [chat(str(n), model="simulator/chat", max_tokens=5) for n in range(3000)]
    batch = create(client, upload(client, *rows))
    eventually(lambda: get(client, batch)["request_counts"]["completed"], lambda count: count > 0)
    asked = client.post(f"/ipop/v1/batches/{batch['id']}/cancel").raise_for_status().json()
    assert asked["status"] in ("cancelling", "cancelled")
    assert asked["cancel_requested_at"]
    done = ended(client, batch)
    counts = done["request_counts"]
    assert (done["status"], counts["failed"]) == ("cancelled", 0)
    out, rest = lines(client, done["output_file_id"]), lines(client, done["error_file_id"])
    assert 0 < len(out) == counts["completed"] < 3000 == len(out) + len(rest)
    assert {line["error"]["code"] for line in rest} == {"batch_cancelled"}
    again = client.post(f"/ipop/v1/batches/{batch['id']}/cancel")
    assert again.json()["status"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: httpx.Client) -> None:
    done = ended(client, create(client, upload(client, chat("a"))))
    refused = client.post(f"/ipop/v1/batches/{done['id']}/cancel")
    assert (refused.status_code, refused.json()["retryable"]) == (409, False)


def test_pages_and_projects(server: LiveServer, client: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {server.other_key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as other:
        made = [create(other, upload(other, chat("a")))["id"] for _ in range(3)]
        for batch_id in made:
            assert client.get(f"/ipop/v1/batches/{batch_id}").status_code == 404
            assert client.post(f"/ipop/v1/batches/{batch_id}/cancel").status_code == 404
        mine = client.get("/ipop/v1/batches", params={"limit": 100}).json()["data"]
        assert not {batch["id"] for batch in mine} & set(made)
        file_id = upload(client, chat("a"))
        assert other.post("/ipop/v1/batches", json={"input_file_id": file_id}).status_code == 404
        first = other.get("/ipop/v1/batches", params={"limit": 2}).json()
        assert ([batch["id"] for batch in first["data"]], first["has_more"]) == (made[:0:-1], True)
        rest = other.get("/ipop/v1/batches", params={"limit": 2, "after": first["last_id"]}).json()
        assert ([batch["id"] for batch in rest["data"]], rest["has_more"]) == (made[:1], False)


@pytest.fixture
def restricted(server: LiveServer) -> Callable[..., httpx.Client]:
    """Makes a project, on which a command of the operator's acts, and a client that speaks for it."""

    def make(*command: str) -> httpx.Client:
        slug = f"b-{uuid.uuid4().hex[:8]}"
        assert server.cli("projects", "create", slug).returncode == 0
        done = server.cli(*command, "--project", slug)
        assert done.returncode == 0, done.stderr
        key = json.loads(server.cli("keys", "create", "--project", slug, "--json").stdout)["key"]
        return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    return make


def test_a_row_waits_for_a_limit_until_the_time_is_over(restricted: Callable[..., httpx.Client]) -> None:
    stay_within(86_400, 60)
    with restricted("limits", "set", "--requests-per-day", "3") as client:
        batch = create(client, upload(client, *(chat(str(n)) for n in range(6))), completion_window="8s")
        done = ended(client, batch)
        assert (done["status"], done["request_counts"]) == ("expired", {"total": 6, "completed": 3, "failed": 0})
        rest = lines(client, done["error_file_id"])
        assert [line["error"]["code"] for line in rest] == ["batch_expired"] * 3
        assert {row["status"] for row in done["rows"]} == {"completed", "cancelled"}


def test_without_credits_rows_fail_and_say_so(restricted: Callable[..., httpx.Client]) -> None:
    with restricted("credits", "set", "0") as client:
        done = ended(client, create(client, upload(client, chat("a"), chat("b"))))
        assert (done["status"], done["request_counts"]["failed"]) == ("completed", 2)
        failed = lines(client, done["error_file_id"])
        assert [line["response"]["status_code"] for line in failed] == [402, 402]
        assert failed[0]["response"]["body"]["code"] == "payment_required"

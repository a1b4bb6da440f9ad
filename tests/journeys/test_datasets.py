"""Datasets over HTTP: three APIs, one shelf."""

from __future__ import annotations

import base64
import io
import json
import uuid
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.journeys.test_telemetry import log_span
from tests.journeys.waiting import eventually

JANUARY, OCTOBER = "/llama-stack/v1", "/llama-stack-deprecated/v1"
CSV = b'question,answer,score\nWhat?,That.,1.5\n"Who, then?",Me.,2\nWhy?,,\n'
COLUMNS = {"question": {"type": "string"}, "answer": {"type": "string"}, "score": {"type": "json"}}


def inline(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def register(client: httpx.Client, uri: str, columns: Any = None, dataset_id: str | None = None) -> str:
    dataset_id = dataset_id or f"test::{uuid.uuid4().hex[:8]}"
    body = {"dataset_id": dataset_id, "url": {"uri": uri}, "dataset_schema": columns or {}}
    made = client.post(f"{JANUARY}/datasets", json=body)
    assert made.status_code == 200, made.text
    return dataset_id


def rows(client: httpx.Client, dataset_id: str, **more: Any) -> Any:
    params = {"dataset_id": dataset_id, "rows_in_page": -1, **more}
    return client.get(f"{JANUARY}/datasetio/rows", params=params).raise_for_status().json()


def fault(client: httpx.Client, uri: str, columns: Any = None) -> int:
    body = {"dataset_id": uuid.uuid4().hex, "url": {"uri": uri}, "dataset_schema": columns or {}}
    return client.post(f"{JANUARY}/datasets", json=body).status_code


def test_rows_of_every_format_and_source(client: httpx.Client) -> None:
    wanted = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    lines = "\n".join(json.dumps(row) for row in wanted).encode()
    typed = {"a": {"type": "number"}, "b": {"type": "string"}}
    from arro3.core import Array, DataType, Table
    from arro3.io import write_parquet

    columns: dict[str, Any] = {"a": Array([1, 2], DataType.int64()), "b": Array(["x", "y"], DataType.string())}
    packed = io.BytesIO()
    write_parquet(Table.from_pydict(columns), packed)
    uris = [
        inline(lines, "application/jsonl"),
        inline(json.dumps(wanted).encode(), "application/json"),
        inline(b"a,b\n1,x\n2,y\n", "csv"),
        "data:text/csv," + quote("a,b\r\n1,x\r\n2,y\r\n"),
        inline(packed.getvalue(), "application/octet-stream"),
    ]
    for name, content in (("rows.jsonl", lines), ("rows.csv", b"a,b\n1,x\n2,y\n"), ("rows.parquet", packed.getvalue())):
        sent = client.post("/ipop/v1/files", data={"purpose": "user_data"}, files={"file": (name, content)})
        uris += [f"file://{sent.json()['id']}", sent.json()["id"]]
    for uri in uris:
        assert rows(client, register(client, uri, typed))["rows"] == wanted, uri


def test_csv_keeps_to_its_columns(client: httpx.Client) -> None:
    found = rows(client, register(client, inline(CSV, "csv"), COLUMNS))
    assert found["rows"] == [
        {"question": "What?", "answer": "That.", "score": 1.5},
        {"question": "Who, then?", "answer": "Me.", "score": 2},
        {"question": "Why?", "answer": "", "score": ""},
    ]
    assert fault(client, inline(CSV, "csv"), COLUMNS | {"missing": {"type": "string"}}) == 400
    assert fault(client, inline(CSV, "csv"), {"question": {"type": "number"}}) == 400


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "file://../../etc/passwd",
        "/etc/passwd",
        "http://127.0.0.1:1/x.csv",
        "http://169.254.169.254/latest",
        "huggingface://datasets/x",
        "ftp://here/x",
        "data:csv",
        "data:csv;base64,%%%",
        inline(b'{"a": 1}\n[2]', "jsonl"),
        inline(b"{nonsense", "jsonl"),
        inline(b"a,b\n1\n", "csv"),
        inline(b"\xff\xfe", "csv"),
        inline(b"PAR1 and nothing else", "parquet"),
        inline(b'{"a":' * 400 + b"1" + b"}" * 400, "jsonl"),
    ],
)
def test_what_cannot_be_read_is_refused(client: httpx.Client, uri: str) -> None:
    assert fault(client, uri) == 400


def test_an_uploaded_file_that_is_not_there(client: httpx.Client, other: httpx.Client) -> None:
    sent = other.post("/ipop/v1/files", data={"purpose": "user_data"}, files={"file": ("a.csv", b"a\n1\n")})
    assert fault(client, f"file://{sent.json()['id']}") == 404
    assert fault(client, "file-none") == 404


def test_pages_of_both_apis_and_appended_rows(client: httpx.Client) -> None:
    lines = "\n".join(json.dumps({"n": n}) for n in range(1000)).encode()
    dataset_id = register(client, inline(lines, "jsonl"), {"n": {"type": "number"}})
    page = rows(client, dataset_id, rows_in_page=300)
    seen = page["rows"]
    while "next_page_token" in page:
        page = rows(client, dataset_id, rows_in_page=300, page_token=page["next_page_token"])
        seen += page["rows"]
    assert [row["n"] for row in seen] == list(range(1000))
    assert page["total_count"] == 1000
    append = {"dataset_id": dataset_id, "rows": [{"n": 1000}, {"n": 1001}]}
    assert client.post(f"{JANUARY}/datasetio/rows", json=append).status_code == 200
    wrong = {"dataset_id": dataset_id, "rows": [{"n": "text"}]}
    assert client.post(f"{JANUARY}/datasetio/rows", json=wrong).status_code == 400
    path = quote(dataset_id, safe="")
    more = {"rows": [{"n": 1002}]}
    assert client.post(f"{OCTOBER}/datasetio/append-rows/{path}", json=more).status_code == 200

    def iterate(**params: Any) -> tuple[list[int], bool]:
        found = client.get(f"{OCTOBER}/datasetio/iterrows/{path}", params=params).raise_for_status().json()
        return [row["n"] for row in found["data"]], found["has_more"]

    assert iterate(start_index=250, limit=20) == (list(range(250, 270)), True)
    assert iterate(start_index=999) == ([999, 1000, 1001, 1002], False)
    assert iterate(start_index=5000, limit=5) == ([], False)
    assert iterate(limit=-1) == iterate() == (list(range(1003)), False)
    for wrong_page in ({"start_index": -1}, {"limit": -2}):
        assert client.get(f"{OCTOBER}/datasetio/iterrows/{path}", params=wrong_page).status_code == 400
    for token in ("-1", "x", "9" * 30):
        params: dict[str, Any] = {"dataset_id": dataset_id, "rows_in_page": 1, "page_token": token}
        assert client.get(f"{JANUARY}/datasetio/rows", params=params).status_code == 400


def test_what_one_api_registers_the_other_shows(client: httpx.Client) -> None:
    uri = inline(b'{"messages": []}', "jsonl")
    mine = register(client, uri, {"messages": {"type": "array"}})
    shown = client.get(f"{OCTOBER}/datasets/{mine}").raise_for_status().json()
    assert (shown["identifier"], shown["purpose"]) == (mine, "post-training/messages")
    assert shown["source"] == {"type": "uri", "uri": uri}
    source = {"type": "rows", "rows": [{"question": "q", "answer": "a"}]}
    body = {"purpose": "eval/question-answer", "source": source, "metadata": {"from": "here"}}
    made = client.post(f"{OCTOBER}/datasets", json=body).raise_for_status().json()
    assert (made["source"], made["metadata"]) == (source, {"from": "here"})
    january = client.get(f"{JANUARY}/datasets/{made['identifier']}").raise_for_status().json()
    assert january["metadata"] == {"from": "here"}
    assert client.get(january["url"]["uri"]).json()["rows"] == source["rows"]
    for api in (JANUARY, OCTOBER):
        listed = [dataset["identifier"] for dataset in client.get(f"{api}/datasets").json()["data"]]
        assert {mine, made["identifier"]} <= set(listed)


def test_registering_again_and_unregistering(client: httpx.Client) -> None:
    uri = inline(b'{"n": 1}', "jsonl")
    dataset_id = register(client, uri)
    register(client, uri, dataset_id=dataset_id)
    body = {"dataset_id": dataset_id, "url": {"uri": inline(b"{}", "jsonl")}, "dataset_schema": {}}
    assert client.post(f"{JANUARY}/datasets", json=body).status_code == 400
    path = quote(dataset_id, safe="")
    assert client.delete(f"{JANUARY}/datasets/{path}").status_code == 200
    assert client.delete(f"{JANUARY}/datasets/{path}").status_code == 404
    missing = client.get(f"{JANUARY}/datasets/{path}")
    assert (missing.status_code, missing.json()) == (200, None)
    register(client, inline(b"{}", "jsonl"), dataset_id=dataset_id)
    assert rows(client, dataset_id)["rows"] == [{}]
    assert client.delete(f"{OCTOBER}/datasets/{path}").status_code == 200


def test_a_dataset_is_its_projects_alone(client: httpx.Client, other: httpx.Client) -> None:
    dataset_id = register(other, inline(b'{"n": 1}', "jsonl"))
    path = quote(dataset_id, safe="")
    assert client.get(f"{JANUARY}/datasets/{path}").json() is None
    assert client.get(f"{OCTOBER}/datasets/{path}").status_code == 404
    assert client.get(f"/maniac/v1/datasets/{path}").status_code == 404
    for api in (JANUARY, OCTOBER):
        assert client.delete(f"{api}/datasets/{path}").status_code == 404
        assert dataset_id not in client.get(f"{api}/datasets").text
    assert dataset_id not in client.get("/maniac/v1/datasets").text
    params: dict[str, Any] = {"dataset_id": dataset_id, "rows_in_page": 1}
    assert client.get(f"{JANUARY}/datasetio/rows", params=params).status_code == 404
    append = {"dataset_id": dataset_id, "rows": [{}]}
    assert client.post(f"{JANUARY}/datasetio/rows", json=append).status_code == 404
    assert client.get(f"{OCTOBER}/datasetio/iterrows/{path}").status_code == 404
    assert client.post(f"{OCTOBER}/datasetio/append-rows/{path}", json={"rows": [{}]}).status_code == 404
    register(client, inline(b'{"n": 2}', "jsonl"), dataset_id=dataset_id)
    assert [rows(one, dataset_id)["rows"] for one in (client, other)] == [[{"n": 2}], [{"n": 1}]]


def test_a_dataset_of_recorded_chats(client: httpx.Client) -> None:
    label = f"support-{uuid.uuid4().hex[:8]}"
    container = {"label": label, "initial_model": "simulator/chat"}
    client.post("/maniac/v1/containers", json=container).raise_for_status()
    for n in range(6):
        body = {
            "model": f"maniac:{label}",
            "messages": [{"role": "user", "content": f"hello {n}"}],
            "metadata": {"n": n, "even": n % 2 == 0},
            "store": True,
        }
        client.post("/maniac/v1/chat/completions", json=body).raise_for_status()

    def build(*filters: tuple[str, str, Any], size: int = 10) -> Any:
        body = {
            "name": "built",
            "container": label,
            "size": size,
            "filters": [{"key": key, "operator": name, "value": value} for key, name, value in filters],
            "tags": ["t"],
        }
        made = client.post("/maniac/v1/datasets", json=body)
        assert made.status_code == 201, made.text
        path = f"/maniac/v1/datasets/{made.json()['id']}"
        return eventually(lambda: client.get(path).json(), lambda found: found["size"] is not None)

    whole = build()
    assert (whole["size"], whole["requested_size"], whole["tags"]) == (6, 10, ["t"])
    assert build(("even", "equals", True), ("metadata.n", "greater_than", 1))["size"] == 2
    assert build(("n", "between", [1, 4]), size=3)["size"] == 3
    assert build(("nothing", "exists", None))["size"] == 0
    found = rows(client, whole["id"])["rows"]
    assert [row["messages"][0]["content"] for row in found] == [f"hello {n}" for n in range(5, -1, -1)]
    assert {row["messages"][-1]["role"] for row in found} == {"assistant"}
    listed = client.get("/maniac/v1/datasets", params={"container": label, "limit": 3}).json()
    assert (len(listed["data"]), listed["total"]) == (3, 4)
    wrong = {"name": "x", "container": label, "size": 1, "filters": [{"key": "n", "operator": "in", "value": 1}]}
    assert client.post("/maniac/v1/datasets", json=wrong).status_code == 400
    assert client.post("/maniac/v1/datasets", json=wrong | {"container": "none"}).status_code in (400, 404)


def test_spans_are_saved_as_rows(client: httpx.Client, other: httpx.Client) -> None:
    session, trace_id, span_id = uuid.uuid4().hex, uuid.uuid4().hex, uuid.uuid4().hex[:16]
    log_span(client, trace_id, span_id, session_id=session, input="in", output="out")
    dataset_id = register(client, inline(b"", "jsonl"))
    body = {
        "attribute_filters": [{"key": "session_id", "op": "eq", "value": session}],
        "attributes_to_save": ["input", "output"],
        "dataset_id": dataset_id,
    }
    for number, api in enumerate((JANUARY, OCTOBER), 1):
        saved = client.post(f"{api}/telemetry/spans/export", json=body)
        assert saved.status_code == 200, saved.text
        found = rows(client, dataset_id)["rows"]
        assert len(found) == number
        assert found[-1].items() >= {"input": "in", "output": "out", "trace_id": trace_id, "span_id": span_id}.items()
        assert other.post(f"{api}/telemetry/spans/export", json=body).status_code == 404
    elsewhere = register(other, inline(b"", "jsonl"))
    other.post(f"{JANUARY}/telemetry/spans/export", json=body | {"dataset_id": elsewhere}).raise_for_status()
    assert rows(other, elsewhere)["rows"] == []

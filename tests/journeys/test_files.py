"""Files over HTTP: one store for three APIs, streamed both ways, and nothing kept of what broke off."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.speaking import speaking
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

MIB = 2**20


@dataclass(frozen=True)
class Api:
    name: str
    url: str
    error: Callable[[Any], Any]


MANIAC = Api("maniac", "/maniac/v1/files", lambda body: body["error"]["code"])
IPOP = Api("ipop", "/ipop/v1/files", lambda body: body["error_type"].upper())
LLAMA = Api(
    "llama_stack_deprecated",
    "/llama-stack-deprecated/v1/openai/v1/files",
    lambda body: {400: "INVALID_REQUEST", 404: "FILE_NOT_FOUND", 413: "TOO_LARGE"}[body["status"]],
)
APIS = [MANIAC, IPOP, LLAMA]
each = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)


def upload(client: httpx.Client, api: Api, content: bytes = b"hello", **fields: Any) -> dict[str, Any]:
    name = fields.pop("filename", "a.txt")
    answer = client.post(api.url, data={"purpose": "batch"} | fields, files={"file": (name, content, "text/plain")})
    assert answer.status_code == (201 if api is MANIAC else 200), answer.text
    made: dict[str, Any] = answer.json()
    return made


def ids(client: httpx.Client, api: Api, **params: Any) -> list[str]:
    return [file["id"] for file in client.get(api.url, params=params).raise_for_status().json()["data"]]


def blobs(server: LiveServer) -> list[Path]:
    return [path for path in (server.data_dir / "blobs").rglob("*") if path.is_file()]


@each
def test_what_one_api_stores_every_api_shows(client: httpx.Client, other: httpx.Client, api: Api) -> None:
    content = os.urandom(3 * MIB + 7)
    made = upload(client, api, content, filename='ä "b".txt')
    assert made["bytes"] == len(content)
    for shown in APIS:
        assert made["id"] in ids(client, shown)
        found = client.get(f"{shown.url}/{made['id']}").raise_for_status().json()
        assert (found["id"], found["bytes"], found["purpose"]) == (made["id"], len(content), "batch")
        answer = client.get(f"{shown.url}/{made['id']}/content").raise_for_status()
        assert answer.content == content
        assert (answer.headers["content-length"], answer.headers["content-type"]) == (str(len(content)), "text/plain")
        assert "filename*=UTF-8''%C3%A4%20" in answer.headers["content-disposition"]
        assert made["id"] not in ids(other, shown)
        for path in (f"{shown.url}/{made['id']}", f"{shown.url}/{made['id']}/content"):
            assert shown.error(other.get(path).json()) == "FILE_NOT_FOUND"
        assert other.delete(f"{shown.url}/{made['id']}").status_code == 404
    assert client.delete(f"{api.url}/{made['id']}").status_code == (204 if api is IPOP else 200)
    assert client.get(f"{api.url}/{made['id']}/content").status_code == 404
    assert client.delete(f"{api.url}/{made['id']}").status_code == 404


def test_a_file_of_no_bytes_is_one_and_no_body_is_none(client: httpx.Client) -> None:
    empty = client.post(IPOP.url, headers={"content-type": "application/octet-stream"})
    assert empty.raise_for_status().json()["bytes"] == 0
    refused = client.post(IPOP.url)
    assert (refused.status_code, refused.json()["error"]) == (400, "body: is required")


def test_octets_are_described_by_the_query(client: httpx.Client) -> None:
    headers = {"content-type": "application/octet-stream"}
    params = {"purpose": "fine-tune", "filename": "train.jsonl"}
    made = client.post(IPOP.url, params=params, content=b"{}\n", headers=headers).raise_for_status().json()
    assert (made["purpose"], made["filename"], made["bytes"]) == ("fine-tune", "train.jsonl", 3)
    assert made["sha256"] == hashlib.sha256(b"{}\n").hexdigest()
    refused = client.post(IPOP.url, params={"purpose": "nonsense"}, content=b"{}\n", headers=headers)
    assert (refused.status_code, refused.json()["param"]) == (400, "purpose")


@each
def test_a_form_may_name_its_fields_behind_the_file(client: httpx.Client, api: Api) -> None:
    parts = {"file": ("a.txt", b"x" * MIB), "purpose": (None, b"batch")}
    assert client.post(api.url, files=parts).raise_for_status().json()["purpose"] == "batch"


@each
@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"purpose": "batch"}, {"other": ("a", b"x")}),
        ({"purpose": "b" * 1025}, {"file": ("a", b"x")}),
        ({"purpose": "batch", "expires_after": "{'anchor': 'created_at', 'seconds': 5}"}, {"file": ("a", b"x")}),
        ({"purpose": "batch"}, [("file", ("a", b"x")), ("file", ("b", b"x"))]),
    ],
    ids=["no file", "long purpose", "short life", "two files"],
)
def test_wrong_forms_are_refused_and_nothing_is_kept(
    client: httpx.Client, server: LiveServer, api: Api, data: Any, files: Any
) -> None:
    before = (len(ids(client, api)), len(blobs(server)))
    answer = client.post(api.url, data=data, files=files)
    assert (answer.status_code, api.error(answer.json())) == (400, "INVALID_REQUEST")
    assert (len(ids(client, api)), len(blobs(server))) == before


@each
def test_pages_end(client: httpx.Client, api: Api) -> None:
    made = [upload(client, api, purpose="assistants")["id"] for _ in range(3)][::-1]
    page = client.get(api.url, params={"limit": 2, "purpose": "assistants"}).json()
    assert [file["id"] for file in page["data"]] == made[:2]
    assert ids(client, api, limit=1, after=made[1]) == made[2:]
    last = ids(client, api, after=made[2], purpose="assistants")
    assert not set(made) & set(last)
    if api is MANIAC:
        assert page["total"] >= 3
        assert ids(client, api, limit=1, offset=1) == made[1:2]
    else:
        assert (page["has_more"], page["first_id"], page["last_id"]) == (True, made[0], made[1])
    assert client.get(api.url, params={"after": "file-unknown"}).status_code == 404


def test_a_file_expires_when_it_was_asked_to(client: httpx.Client) -> None:
    wish: dict[str, Any] = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = upload(client, LLAMA, **wish)
    assert made["expires_at"] == made["created_at"] + 3600
    assert client.get(f"{IPOP.url}/{made['id']}").json()["expires_at"] is not None
    assert upload(client, LLAMA)["expires_at"] > made["expires_at"] + 10**9
    assert upload(client, IPOP, **wish)["expires_at"] is not None


@each
def test_parts_of_a_file_can_be_read(client: httpx.Client, api: Api) -> None:
    path = f"{api.url}/{upload(client, api, b'0123456789')['id']}/content"

    def part(wanted: str, **headers: str) -> tuple[int, str]:
        answer = client.get(path, headers={"Range": wanted, **headers})
        return answer.status_code, answer.text if answer.status_code < 300 else ""

    whole = client.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    assert part("bytes=2-4") == (206, "234")
    assert part("bytes=7-") == (206, "789")
    assert part("bytes=-2") == (206, "89")
    assert part("bytes=5-99") == (206, "56789")
    assert part("bytes=10-") == (416, "")
    assert part("bytes=-0") == (416, "")
    for odd in ("bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert part(odd) == (200, "0123456789")
    assert part("bytes=0-1", **{"If-Range": '"other"'}) == (200, "0123456789")
    assert part("bytes=0-1", **{"If-Range": whole.headers["etag"]}) == (206, "01")
    for known in (whole.headers["etag"], f'"x", W/{whole.headers["etag"]}', "*"):
        answer = client.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")


def test_an_empty_file_is_a_file(client: httpx.Client) -> None:
    made = upload(client, IPOP, b"")
    answer = client.get(f"{IPOP.url}/{made['id']}/content")
    assert (answer.status_code, answer.content, made["bytes"]) == (200, b"", 0)


@each
def test_a_repeated_upload_makes_one_file(client: httpx.Client, api: Api) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    def send(content: bytes) -> httpx.Response:
        return client.post(api.url, data={"purpose": "batch"}, files={"file": ("a", content)}, headers=headers)

    first, again, other = send(b"x" * MIB), send(b"x" * MIB), send(b"y" * MIB)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert other.status_code == 400
    assert ids(client, api).count(first.json()["id"]) == 1


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Takes 4 MiB."""
    with running(tmp_path_factory.mktemp("narrow"), CONCORDAT_MAX_UPLOAD_BYTES=str(4 * MIB)) as live:
        yield live


@each
@pytest.mark.parametrize("is_declared", [True, False])
def test_too_large_a_body_is_refused_and_nothing_kept(narrow: LiveServer, api: Api, is_declared: bool) -> None:
    form = httpx.Request("POST", "http://x", data={"purpose": "batch"}, files={"file": ("a", bytes(5 * MIB))})
    body = form.read()
    content: Any = body if is_declared else (body[start : start + MIB] for start in range(0, len(body), MIB))
    with speaking(narrow) as client:
        answer = client.post(api.url, content=content, headers={"content-type": form.headers["content-type"]})
        assert (answer.status_code, api.error(answer.json())) == (413, "TOO_LARGE")
        assert ids(client, api) == []
    assert blobs(narrow) == []


def begin_upload(server: LiveServer, sent: int) -> socket.socket:
    """A connection on which an upload of 3 MiB has come so far."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = (
        f"POST {IPOP.url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.key}\r\n"
        f"content-type: application/octet-stream\r\ncontent-length: {3 * MIB}\r\n\r\n"
    )
    connection.sendall(head.encode() + bytes(sent))
    return connection


def test_a_client_that_hangs_up_leaves_nothing(narrow: LiveServer) -> None:
    connection = begin_upload(narrow, 2 * MIB)
    eventually(lambda: blobs(narrow))
    connection.close()
    eventually(lambda: not blobs(narrow))
    with speaking(narrow) as client:
        assert ids(client, IPOP) == []


def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_BODY_IDLE_SECONDS="0.5") as hasty:
        with begin_upload(hasty, 2 * MIB) as connection:
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"error_type":"request_timeout"' in answer
        assert blobs(hasty) == []


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        with speaking(server) as client:
            made = upload(client, IPOP, b"kept")
        begun = begin_upload(server, 2 * MIB)
        eventually(lambda: len(blobs(server)), lambda count: count == 2)
        server.stop(signal.SIGKILL)
        begun.close()
        server.start()
        with speaking(server) as client:
            assert client.get(f"{IPOP.url}/{made['id']}/content").content == b"kept"
            assert ids(client, IPOP) == [made["id"]]

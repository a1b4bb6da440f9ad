"""Whatever a caller does wrong is a clear 4xx in that API's own shape, and no news for the log."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import jsonschema_rs
import pytest

from tests.journeys.dialects import DIALECTS, IPOP, Dialect
from tests.live import LiveServer

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)


MODEL_PATHS = {
    "maniac": "/v1/models",
    "ipop": "/models",
    "llama_stack": "/v1/models",
    "llama_stack_deprecated": "/v1/openai/v1/models",
}


def check(dialect: Dialect, answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    jsonschema_rs.validate(dialect.schema, answer.json())


@each
@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'{"model": NaN}'])
def test_malformed_json(client: httpx.Client, dialect: Dialect, body: bytes) -> None:
    check(dialect, client.post(dialect.url, content=body, headers={"Content-Type": "application/json"}), 400)


@each
def test_wrong_types(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.post(dialect.url, json=dialect.chat(messages="hello")), 400)
    check(dialect, client.post(dialect.url, json=[]), 400)
    check(dialect, client.post(dialect.url, json=dialect.chat(stream="perhaps")), 400)


@each
def test_missing_fields(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.post(dialect.url, json={}), 400)


@each
def test_another_media_type(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.post(dialect.url, data={"model": "x"}), 415)


@each
def test_unknown_model(client: httpx.Client, dialect: Dialect) -> None:
    answer = client.post(dialect.url, json=dialect.chat("no-such-model"))
    check(dialect, answer, 404)
    assert "no-such-model" in answer.text


@each
def test_embedding_model_does_not_chat(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.post(dialect.url, json=dialect.chat("local/all-minilm-l6-v2")), 400)


@each
def test_no_key_and_wrong_keys(stranger: httpx.Client, dialect: Dialect) -> None:
    check(dialect, stranger.post(dialect.url, json=dialect.chat()), 401)
    for value in ("Bearer nonsense", "Bearer", "Basic eDp5", "ck_x"):
        check(dialect, stranger.post(dialect.url, json=dialect.chat(), headers={"Authorization": value}), 401)


@each
def test_unknown_path(client: httpx.Client, dialect: Dialect) -> None:
    check(dialect, client.get(dialect.prefix + "/no/such/path"), 404)


@each
def test_wrong_method(client: httpx.Client, dialect: Dialect) -> None:
    answer = client.put(dialect.url, json={})
    check(dialect, answer, 405)
    assert "POST" in answer.headers["allow"]


def test_operation_without_a_handler_is_501(client: httpx.Client) -> None:
    check(DIALECTS[0], client.get("/maniac/v1/evaluators"), 501)
    check(DIALECTS[1], client.get("/ipop/v1/orchestrations"), 501)
    check(DIALECTS[2], client.get("/llama-stack/v1/shields"), 501)
    check(DIALECTS[3], client.get("/llama-stack-deprecated/v1/agents"), 501)


@each
def test_body_of_fifty_megabytes(server: LiveServer, dialect: Dialect) -> None:
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    for url in (server.url + dialect.url, server.url + dialect.prefix + "/no/such/path"):
        content = b'{"messages": "' + b"x" * 50_000_000 + b'"}'
        answer = httpx.post(url, content=content, headers=headers, timeout=60)
        assert answer.status_code in (404, 413)
        assert answer.headers["content-type"] == "application/json"
        jsonschema_rs.validate(dialect.schema, answer.json())


@each
@pytest.mark.parametrize("evil", ["..%2F..%2F", "..%2F..%2Fetc%2Fpasswd", "%2e%2e/%2e%2e", "%00", "%ff", "a%2f..%2fb"])
def test_ids_that_try_to_climb(server: LiveServer, dialect: Dialect, evil: str) -> None:
    """Sent as they are, which `httpx` would not."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {server.key}"}
    with closing(connection):
        connection.request("GET", f"{dialect.prefix}{MODEL_PATHS[dialect.api]}/{evil}", headers=headers)
        with connection.getresponse() as answer:
            body = answer.read()
    assert answer.status in (200, 400, 404, 405), body
    if answer.status == 200:
        assert body == b"null"


def test_garbage_instead_of_http(server: LiveServer) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00 nonsense\r\n\r\n")
        assert b"400" in connection.recv(4096)


def test_ipop_says_what_is_worth_a_retry(client: httpx.Client) -> None:
    limited = client.post(IPOP.url, json=IPOP.chat("simulator/error-429"))
    assert limited.json()["retryable"] is True
    assert limited.headers["x-should-retry"] == "true"
    unknown = client.post(IPOP.url, json=IPOP.chat("no-such-model"))
    assert unknown.json()["retryable"] is False
    assert unknown.json()["code"] == "bad_request"


def test_path_of_no_api(client: httpx.Client) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.get("/maniacal").status_code == 404


def test_content_type_on_a_request_without_body(client: httpx.Client) -> None:
    answer = client.get("/maniac/v1/models", headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_errors_reveal_no_secret(server: LiveServer, client: httpx.Client) -> None:
    client.post(IPOP.url, json=IPOP.chat(messages=[{"role": "user", "content": "the-prompt-text"}], model="nope"))
    client.post(IPOP.url, content=b'{"the-prompt-text": ')
    log = server.log_text()
    assert server.key not in log
    assert server.admin_token not in log
    assert "the-prompt-text" not in log

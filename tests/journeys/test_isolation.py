"""What one project stores and asks, another's key neither sees nor changes, by any operation; an operator sees all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.inspect import find_handler, operations
from tests.journeys.dialects import DEPRECATED, IPOP, LLAMA, MANIAC
from tests.live import LiveServer, running

WORD = "quagga"
FILES = [MANIAC.prefix + "/v1/files", IPOP.prefix + "/files", DEPRECATED.prefix + "/v1/openai/v1/files"]
POLICY = {"mode": "off", "sample_rate": 1, "retention_days": 1, "redact": True, "max_chars_per_message": 1}
ADMIN = sorted(
    (op.method, op.path) for op in operations("ipop") if op.path.startswith("/admin/") and find_handler(op) is not None
)
BODIES: dict[str, Any] = {
    "/admin/inference/events": {},
    "/admin/inference/search": {"q": WORD},
    "/admin/inference/policy/{project_id}": {"policy": POLICY | {"mode": "all"}},
}
TELLING = ["/admin/inference/events", "/admin/inference/export", "/admin/inference/search"]

LISTS = [
    *(IPOP.prefix + path for path in (
        "/request-history", "/request-history/export", "/usage", "/usage/export", "/account/meter-events",
        "/account/meter-events/export",
    )),
    *FILES,
    IPOP.prefix + "/kv/items",
    LLAMA.prefix + "/v1/telemetry/traces",
    MANIAC.prefix + "/v1/traces",
]  # fmt: skip
ONES = [
    *((method, IPOP.prefix + path) for method, path in (
        ("GET", "/request-history/{request}"),
        ("POST", "/request-history/{request}/feedback"),
        ("POST", "/request-history/{request}/replay"),
        ("GET", "/projects/default/inference-policy"),
        ("PUT", "/projects/default/inference-policy"),
        ("GET", "/kv/items/{key}"),
        ("DELETE", "/kv/items/{key}"),
    )),
    *((method, path + end) for path in FILES for method, end in (
        ("GET", "/{file}"), ("GET", "/{file}/content"), ("DELETE", "/{file}"),
    )),
    ("GET", MANIAC.prefix + "/v1/rlm/responses/{run}"),
    ("GET", MANIAC.prefix + "/v1/traces/{trace}"),
    ("GET", LLAMA.prefix + "/v1/telemetry/traces/{trace}"),
    ("GET", LLAMA.prefix + "/v1/telemetry/traces/{trace}/spans/{span}"),
    ("GET", LLAMA.prefix + "/v1/telemetry/spans/{span}/tree"),
    ("GET", DEPRECATED.prefix + "/v1/telemetry/traces/{trace}"),
    ("GET", DEPRECATED.prefix + "/v1/telemetry/traces/{trace}/spans/{span}"),
    ("POST", DEPRECATED.prefix + "/v1/telemetry/spans/{span}/tree"),
]  # fmt: skip
ONE_BODIES: dict[str, Any] = {"feedback": {"rating": 1}, "inference-policy": POLICY, "tree": {}}


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that keeps everything."""
    with running(tmp_path_factory.mktemp("isolation"), CONCORDAT_CAPTURE="all") as live:
        yield live
        assert '"level":"error"' not in live.log_text()


def speaking(live: LiveServer, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=live.url, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def mine(keeping: LiveServer) -> Iterator[httpx.Client]:
    with speaking(keeping, authorization=f"Bearer {keeping.key}") as client:
        yield client


@pytest.fixture(scope="module")
def theirs(keeping: LiveServer) -> Iterator[httpx.Client]:
    with speaking(keeping, authorization=f"Bearer {keeping.other_key}") as client:
        yield client


@pytest.fixture(scope="module")
def admin(keeping: LiveServer) -> Iterator[httpx.Client]:
    with speaking(keeping, **{"x-admin-token": keeping.admin_token}) as client:
        yield client


@pytest.fixture(scope="module")
def ids(mine: httpx.Client) -> dict[str, str]:
    """Of one of each that the project has."""
    trace, span = "ab" * 16, "cd" * 8
    chat = IPOP.chat() | {"messages": [{"role": "user", "content": WORD}]}
    asked = mine.post(IPOP.url, json=chat, headers={"traceparent": f"00-{trace}-{'ef' * 8}-01"}).raise_for_status()
    file = mine.post(FILES[0], data={"purpose": "batch"}, files={"file": ("a.txt", b"a", "text/plain")})
    mine.put(IPOP.prefix + "/kv/items", json={"key": WORD, "value": 1}).raise_for_status()
    recursive = {"model": "simulator/chat", "input": "x", "rlm": {"engine": "lambda"}}
    run = mine.post(MANIAC.prefix + "/v1/rlm/responses", json=recursive)
    at = {"type": "structured_log", "trace_id": trace, "span_id": span, "timestamp": "2026-01-31T12:00:00Z"}
    event = at | {"payload": {"type": "span_start", "name": "work"}}
    path = LLAMA.prefix + "/v1/telemetry/events"
    mine.post(path, json={"event": event, "ttl_seconds": 10**9}).raise_for_status()
    return {
        "request": asked.headers["x-request-id"],
        "file": file.raise_for_status().json()["id"],
        "run": run.raise_for_status().json()["id"],
        "key": WORD,
        "trace": trace,
        "span": span,
    }


@pytest.mark.parametrize("path", LISTS)
def test_a_list_holds_the_project_s_own_alone(
    mine: httpx.Client, theirs: httpx.Client, ids: dict[str, str], path: str
) -> None:
    def shown(who: httpx.Client) -> bool:
        text = who.get(path).raise_for_status().text
        return any(one in text for one in ids.values())

    assert (shown(mine), shown(theirs)) == (True, False)


@pytest.mark.parametrize(("method", "path"), ONES)
def test_what_is_another_project_s_is_not_there(
    mine: httpx.Client, theirs: httpx.Client, ids: dict[str, str], method: str, path: str
) -> None:
    body = ONE_BODIES.get(path.rpartition("/")[2])
    assert theirs.request(method, path.format(**ids), json=body).status_code == 404
    if method == "GET":
        assert mine.get(path.format(**ids)).status_code == 200


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_an_operator_s_operations_are_closed_to_projects(
    mine: httpx.Client, theirs: httpx.Client, admin: httpx.Client, ids: dict[str, str], method: str, path: str
) -> None:
    where = IPOP.prefix + path.format(request_id=ids["request"], project_id="default")
    for nobody in (mine, theirs):
        assert nobody.request(method, where, json=BODIES.get(path)).status_code == 401
    assert admin.request(method, where, json=BODIES.get(path)).status_code == 200


@pytest.mark.parametrize("path", TELLING)
def test_an_operator_sees_every_project(
    theirs: httpx.Client, admin: httpx.Client, ids: dict[str, str], path: str
) -> None:
    chat = IPOP.chat() | {"messages": [{"role": "user", "content": WORD}]}
    other = theirs.post(IPOP.url, json=chat).raise_for_status().headers["x-request-id"]
    method = "POST" if path in BODIES else "GET"
    told = admin.request(method, IPOP.prefix + path, json=BODIES.get(path)).raise_for_status().text
    assert ids["request"] in told
    assert other in told

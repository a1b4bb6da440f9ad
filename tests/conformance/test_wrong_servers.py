"""A server that does one thing wrongly is found out, by what it did; one that does none passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from server.contract import runner
from server.contract.local import Target
from server.contract.record import ApiRecord
from tests.conformance.wrong_server import (
    KEY,
    PREFIX,
    STREAM,
    Asked,
    Reply,
    WrongServer,
    events,
    refuse,
    right,
    serving,
)

OPERATIONS = frozenset({"version_get", "models_list", "completions_create", "scoring_functions_list"})
Answering = Callable[[Asked], Reply]


def contract(server: WrongServer, operations: frozenset[str] = OPERATIONS, seed: int = 3) -> ApiRecord:
    built = OPERATIONS - {"scoring_functions_list"}
    options = runner.Options(
        {"llama_stack": PREFIX}, seed, operations, examples=10, built=lambda one: one.operation_id in built
    )
    (api,) = runner.run(options, Target(server.url, KEY), "again").apis
    return api


def findings(api: ApiRecord) -> dict[str, set[str]]:
    """The checks that found something, by operation."""
    return {
        one.operation_id: {finding.check for finding in one.findings.values()}
        for one in api.operations.values()
        if one.findings
    }


def but(path: str, changed: Callable[[Asked, Reply], Reply]) -> Answering:
    """A server that is right but for the answers with 200 (or, unbuilt, 501) at one path."""

    def answer(asked: Asked) -> Reply:
        reply = right(asked)
        return changed(asked, reply) if asked.path == path and reply.status in (200, 501) else reply

    return answer


def test_a_server_that_is_right_passes() -> None:
    with serving() as server:
        api = contract(server)
    assert findings(api) == {}
    assert not api.failed
    assert api.operations["completions_create"].streams > 0
    assert {asked.path for asked in server.asked} >= {"/v1/models", "/v1/inference/completion", "/v1/version"}


WRONG = {
    "status": ("models_list", but("/v1/models", lambda asked, reply: Reply(299, reply.body)), "document: status"),
    "body": ("models_list", but("/v1/models", lambda asked, reply: Reply(200, {"data": 1})), "document: body"),
    "no json": ("models_list", but("/v1/models", lambda asked, reply: Reply(200, b"{")), "document: body"),
    "media type": (
        "models_list", but("/v1/models", lambda asked, reply: Reply(200, b"x", "text/plain")), "document: media type",
    ),
    "no media type": (
        "models_list", but("/v1/models", lambda asked, reply: Reply(200, reply.body, None)), "content_type_conformance",
    ),
    "failure": ("version_get", but("/v1/version", lambda asked, reply: refuse(500)), "not_a_server_error"),
    "open to all": (
        "models_list",
        lambda asked: right(Asked(asked.method, asked.path, f"Bearer {KEY}", asked.body)),
        "ignored_auth",
    ),
    "takes anything": (
        "completions_create",
        lambda asked: Reply(200, {"content": "", "stop_reason": "end_of_turn"})
        if asked.path == "/v1/inference/completion" and asked.method == "POST" and b'"stream"' not in asked.body
        else right(asked),
        "negative_data_rejection",
    ),
    "ends early": (
        "completions_create",
        but("/v1/inference/completion", lambda asked, reply: events(STREAM[:1]) if is_stream(reply) else reply),
        "transcript",
    ),
    "no stream": (
        "completions_create",
        but("/v1/inference/completion", lambda asked, reply: refuse(400) if is_stream(reply) else reply),
        "streams",
    ),
    "wrong events": (
        "completions_create",
        but("/v1/inference/completion", lambda asked, reply: events([{}, *STREAM]) if is_stream(reply) else reply),
        "transcript",
    ),
    "not 501": (
        "scoring_functions_list", but("/v1/scoring-functions", lambda asked, reply: Reply(200, {})), "not built",
    ),
    "501 without a word": (
        "scoring_functions_list", but("/v1/scoring-functions", lambda asked, reply: Reply(501, b"")), "not built",
    ),
}  # fmt: skip


def is_stream(reply: Reply) -> bool:
    return reply.kind == "text/event-stream"


@pytest.mark.parametrize("wrong", WRONG)
def test_a_server_that_is_wrong_is_found_out(wrong: str) -> None:
    operation_id, answer, check = WRONG[wrong]
    with serving(answer) as server:
        api = contract(server, frozenset({operation_id}))
    assert api.failed
    assert check in findings(api)[operation_id]


def test_a_server_with_another_document_is_found_out() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, {"openapi": "3.1.0", "paths": {}}) if asked.path == "/openapi.json" else right(asked)

    with serving(answer) as server:
        api = contract(server, frozenset({"scoring_functions_list"}))
    assert api.failed
    assert findings(api) == {}


def test_a_seed_repeats_a_run() -> None:
    runs = []
    for seed in (3, 3, 4):
        with serving() as server:
            contract(server, frozenset({"completions_create"}), seed)
        runs.append([(asked.method, asked.path, asked.body) for asked in server.asked])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]

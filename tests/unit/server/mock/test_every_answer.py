"""Every documented answer of every operation can be made up, and is what its document says."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from codegen.operation import Operation, Payload, Response
from server.app import load_document
from server.inspect import apis
from server.mock.answers import Answer, Answers, Wish, is_json
from server.mock.preferences import Preferences
from tests.unit.codegen.served import compile_schema

STATUSES = [str(status) for status in range(599, 399, -1)]


def status_of(operation: Operation, response: Response) -> str:
    """A status that gets this very response, of those that stand for several."""
    documented = {one.status for one in operation.responses}
    if response.status.isdigit():
        return response.status
    if response.status == "default":
        return next(s for s in STATUSES if s not in documented and f"{s[0]}XX" not in documented)
    return next(s for s in STATUSES if s[0] == response.status[0] and s not in documented)


def every_payload(api: str) -> Iterator[tuple[Operation, Response, Payload]]:
    for operation in load_document(api, "").operations:
        for response in operation.responses:
            for payload in response.payloads:
                yield operation, response, payload


def ask(answers: Answers, operation: Operation, response: Response, payload: Payload, *, dynamic: bool) -> Answer:
    preferences = Preferences(code=status_of(operation, response), dynamic=dynamic)
    is_stream = payload.media_type == "text/event-stream"
    wanted = payload.media_type.replace("*/*", "application/octet-stream")
    return answers.answer(operation, Wish(preferences, is_stream, f"{wanted}, */*;q=0.1", "/"))


def instances(answer: Answer, payload: Payload) -> list[object]:
    """What of an answer the schema speaks of."""
    body = b"".join(answer.frames)
    if is_json(payload.media_type):
        return [orjson.loads(body)]
    if payload.media_type == "text/event-stream":
        texts = [line.removeprefix("data: ") for line in body.decode().splitlines() if line]
        assert len(texts) > 1
        return [orjson.loads(text) if text.startswith("{") else text for text in texts if text != "[DONE]"]
    if "json" in payload.media_type:
        return [orjson.loads(line) for line in body.splitlines()]
    return [body.decode("latin-1")]


def is_text(api: str, payload: Payload) -> bool:
    """Whether the schema says no more than that the body is text or bytes."""
    return bool(compile_schema(api, str(payload.schema)).is_valid("any text")) and not is_json(payload.media_type)


@pytest.mark.parametrize("dynamic", [False, True], ids=["by-example", "dynamic"])
@pytest.mark.parametrize("api", apis())
def test_every_documented_answer_is_valid(api: str, dynamic: bool) -> None:
    answers = Answers(load_document(api, ""), 1)
    made = 0
    for operation, response, payload in every_payload(api):
        answer = ask(answers, operation, response, payload, dynamic=dynamic)
        where = f"{operation.operation_id} {response.status} {payload.media_type}"
        assert str(answer.status) == status_of(operation, response), where
        if answer.status in (204, 304):
            assert answer.frames == (), where
            continue
        assert answer.media_type == payload.media_type.replace("*/*", "application/octet-stream"), where
        assert b"".join(answer.frames) != b"", where
        if payload.schema is not None and not is_text(api, payload):
            for instance in instances(answer, payload):
                assert compile_schema(api, payload.schema).is_valid(instance), where
        made += 1
    assert made >= len(load_document(api, "").operations)


@pytest.mark.parametrize("api", apis())
def test_answers_are_the_same_for_the_same_seed_and_others_for_another(api: str) -> None:
    operations = load_document(api, "").operations
    first, again, other = (
        [answers.answer(operation, Wish()) for operation in operations]
        for answers in (Answers(load_document(api, ""), seed) for seed in (1, 1, 2))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("api", apis())
def test_every_operation_answers_a_success(api: str) -> None:
    answers = Answers(load_document(api, ""), 1)
    statuses = {op.operation_id: answers.answer(op, Wish()).status for op in load_document(api, "").operations}
    assert {name: status for name, status in statuses.items() if not 200 <= status < 300} == {}


@pytest.mark.parametrize("api", apis())
def test_documented_headers_are_there(api: str) -> None:
    answers = Answers(load_document(api, ""), 1)
    for operation in load_document(api, "").operations:
        for response in operation.responses:
            answer = answers.answer(operation, Wish(Preferences(code=status_of(operation, response))))
            if response.status == "429" and api == "maniac":
                assert answer.headers["Retry-After"].isdigit()

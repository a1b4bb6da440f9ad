"""Every status in every API's own shape."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import orjson
import pytest

from handlers.core import errors as core
from handlers.ipop import errors as ipop
from handlers.llama_stack import errors as llama_stack
from handlers.llama_stack_deprecated import errors as llama_stack_deprecated
from handlers.maniac import errors as maniac
from tests.unit.handlers.bench import check

SECRET = "postgres://user:hunter2@db"
KINDS = [
    core.Invalid,
    core.Unauthenticated,
    core.PaymentRequired,
    core.Forbidden,
    core.NotFound,
    core.MethodNotAllowed,
    core.Conflict,
    core.TooLarge,
    core.UnsupportedMedia,
    core.RateLimited,
    core.CoreError,
    core.NotImplementedYet,
    core.UpstreamFailed,
    core.Unavailable,
]
DOCUMENTED = [
    ("maniac", maniac, "#/components/schemas/ErrorResponse"),
    ("ipop", ipop, "#/components/schemas/Error"),
    ("llama_stack", llama_stack, "#/components/schemas/Failure"),
    ("llama_stack_deprecated", llama_stack_deprecated, "#/components/schemas/Error"),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("api", "wording", "schema"), DOCUMENTED, ids=lambda value: str(value)[:24])
def test_an_error_has_the_shape_of_the_document(
    api: str, wording: ModuleType, schema: str, kind: type[core.CoreError]
) -> None:
    faults: list[dict[str, object]] = [{"loc": ["body", "model"], "msg": "is required"}]
    for error in (kind("it went wrong"), kind("it went wrong", param="model", errors=faults)):
        status, _, body = wording.render(error, "req-1")
        assert status == kind.status
        if api == "llama_stack" and status == 400:
            schema = "#/components/schemas/ValidationFailure"
        assert body == check(api, schema, body)


@pytest.mark.parametrize("wording", [maniac, ipop, llama_stack, llama_stack_deprecated], ids=lambda w: w.__name__)
def test_an_internal_error_tells_no_details(wording: ModuleType) -> None:
    error = core.CoreError(SECRET)
    status, _, body = wording.render(error, "req-1")
    assert status == 500
    assert SECRET not in orjson.dumps(body).decode()
    assert SECRET.encode() not in wording.stream_error(error, "req-1")
    assert b"req-1" in wording.stream_error(error, "req-1")


@pytest.mark.parametrize("wording", [maniac, ipop, llama_stack, llama_stack_deprecated], ids=lambda w: w.__name__)
def test_a_rate_limit_says_when_to_come_back(wording: ModuleType) -> None:
    _, headers, _ = wording.render(core.RateLimited("slow down", retry_after_seconds=7), "req-1")
    assert headers["Retry-After"] == "7"


@pytest.mark.parametrize("wording", [maniac, ipop, llama_stack, llama_stack_deprecated], ids=lambda w: w.__name__)
def test_a_broken_stream_ends_with_one_event_that_clients_take_for_an_error(wording: ModuleType) -> None:
    frame = wording.stream_error(core.UpstreamFailed("the vendor hung up"), "req-1")
    assert frame.startswith(b"data: ")
    assert frame.endswith(b"\n\n")
    assert frame.count(b"\n") == 2
    error = orjson.loads(frame[6:])["error"]
    assert "the vendor hung up" in (error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize(
    ("error", "code", "error_type"),
    [
        (core.NotFound("x", code="model_not_found"), "bad_request", "model_not_found"),
        (core.MethodNotAllowed("x"), "bad_request", "method_not_allowed"),
        (core.Conflict("x"), "bad_request", "conflict"),
        (core.TooLarge("x"), "bad_request", "too_large"),
        (core.NotImplementedYet("x"), "bad_request", "not_implemented"),
        (core.CoreError("x"), "service_unavailable", "internal_error"),
        (core.UpstreamFailed("x"), "service_unavailable", "upstream_failed"),
        (core.Forbidden("x"), "policy_violation", "forbidden"),
        (core.Forbidden("x", code="model_not_allowed"), "model_not_allowed", "model_not_allowed"),
        (core.Unavailable("x", code="model_unavailable"), "model_unavailable", "model_unavailable"),
        (core.Unavailable("x", code="capacity_unavailable"), "capacity_unavailable", "capacity_unavailable"),
        (core.Invalid("x", code="context_length_exceeded"), "context_length_exceeded", "context_length_exceeded"),
        (core.PaymentRequired("x"), "payment_required", "payment_required"),
        (core.Unauthenticated("x"), "unauthorized", "unauthorized"),
        (core.RateLimited("x"), "rate_limit_exceeded", "rate_limit_exceeded"),
    ],
)
def test_ipop_maps_every_error_to_one_of_its_ten_codes(error: core.CoreError, code: str, error_type: str) -> None:
    _, _, body = ipop.render(error, "req-1")
    assert (body["code"], body["error_type"]) == (code, error_type)


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (core.Conflict("x"), "false"),
        (core.Unavailable("x"), "true"),
        (core.Unavailable("x", code="model_unavailable"), "false"),
        (core.RateLimited("x"), "true"),
        (core.CoreError("x"), "false"),
    ],
)
def test_ipop_tells_sdks_whether_a_retry_is_of_use(error: core.CoreError, retry: str) -> None:
    _, headers, body = ipop.render(error, "req-1")
    assert headers["x-should-retry"] == retry
    assert body["retryable"] is (retry == "true")


def test_maniac_codes_are_capitals_and_details_carry_the_rest() -> None:
    error = core.RateLimited("slow down", retry_after_seconds=3, param="model")
    body = maniac.render(error, "req-1")[2]
    assert body["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert body["error"]["details"] == {"request_id": "req-1", "param": "model", "retry_after": 3}


def test_llama_stack_lists_the_faults_of_an_invalid_request() -> None:
    faults: list[dict[str, object]] = [{"loc": ["body", "stream"], "msg": "is no boolean"}]

    def rendered(error: core.CoreError) -> Any:
        return llama_stack.render(error, "req-1")[2]

    assert rendered(core.NotFound("there is no agent a1")) == {"detail": "there is no agent a1"}
    assert rendered(core.Invalid("bad", errors=faults)) == {
        "error": {
            "detail": {"errors": [{"loc": ["body", "stream"], "msg": "is no boolean", "type": "invalid_request"}]}
        }
    }
    assert rendered(core.Invalid("bad", param="model_id"))["error"]["detail"]["errors"] == [
        {"loc": ["body", "model_id"], "msg": "bad", "type": "invalid_request"}
    ]
    assert rendered(core.Unauthenticated("no key")) == {"detail": "no key"}


def test_the_deprecated_api_names_every_fault_in_its_detail() -> None:
    faults: list[dict[str, object]] = [{"loc": ["body", "n"], "msg": "is no integer"}, {"loc": ["body"], "msg": "odd"}]
    body = llama_stack_deprecated.render(core.Invalid("bad", errors=faults), "req-1")[2]
    assert body == {"status": 400, "title": "Bad Request", "detail": "body.n: is no integer; body: odd"}

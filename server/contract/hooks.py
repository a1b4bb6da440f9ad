"""What of schemathesis' doings is ours to say: what it is not to send, how some of it is signed, and which of its
failures are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from server.contract.allowances import allowed
from server.contract.documents import STREAM

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure

    from server.contract.engine import Plan

LARGEST = 2**63 - 1
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "expect", "host", "upgrade"})
"""Headers that say where a request ends and who answers it: by chance they make none of it."""


@contextmanager
def hooks(plan: Plan) -> Iterator[None]:
    """In force for all of schemathesis."""
    from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER as dispatcher

    calls: Counter[str] = Counter()

    def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
        calls[case.operation.label] += 1
        number = calls[case.operation.label]
        if number % 2 and case.meta is not None and case.meta.generation.mode.value == "positive":
            name_known(case, plan.known)
        if plan.sign is not None and case.operation.path.startswith(plan.signed) and number % 4 < 2:
            kwargs["auth"] = plan.sign

    def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
        return is_failure(failure, operation_id(case), response)

    def filter_headers(context: HookContext, headers: Any) -> bool:
        return not any(name.lower() in FRAMING for name in headers or ())

    def filter_query(context: HookContext, query: Any) -> bool:
        return fits(query)

    def filter_body(context: HookContext, body: Any) -> bool:
        return fits(body)

    registered = (before_call, filter_failure, filter_headers, filter_query, filter_body)
    for hook in registered:
        dispatcher.register_hook_with_name(hook, hook.__name__)
    try:
        yield
    finally:
        for hook in registered:
            dispatcher.unregister(hook)


def is_failure(failure: Failure, name: str, response: Response) -> bool:
    """Of the operation of this name. Streams are held against their rules: schemathesis knows what one event is."""
    from schemathesis.core.failures import MalformedJson
    from schemathesis.openapi.checks import (
        ContentDeserializationError,
        EnsureResourceAvailability,
        JsonSchemaError,
        MissingContentType,
        RejectedPositiveData,
    )

    if isinstance(failure, RejectedPositiveData):
        return name not in allowed("refuse")
    if isinstance(failure, EnsureResourceAvailability):
        return name not in allowed("miss something")
    if isinstance(failure, ContentDeserializationError):
        return name not in allowed("hold anything")
    if isinstance(failure, MissingContentType | MalformedJson) and not response.content:
        return name not in allowed("say nothing")
    if isinstance(failure, JsonSchemaError):
        return not _is_stream(response) and failure.schema.get("format") != "binary"
    return True


def operation_id(case: Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def name_known(case: Case[Any], known: Mapping[str, str]) -> None:
    """Schemathesis judges anew whether a request is valid that has changed."""
    for container in (case.path_parameters, case.body):
        if isinstance(container, dict):
            for name in known.keys() & container.keys():
                if isinstance(container[name], str):
                    container[name] = known[name]


def _is_stream(response: Response) -> bool:
    return any(value.startswith(STREAM) for value in response.headers.get("content-type", ()))


def fits(value: Any) -> bool:
    """Whether no number is beyond 64 bits: they fit into no database of ours and are refused."""
    if isinstance(value, dict):
        return all(fits(inner) for inner in value.values())
    if isinstance(value, list):
        return all(fits(inner) for inner in value)
    return not isinstance(value, int) or abs(value) <= LARGEST

"""Schemathesis, run over one API. Only this module and `hooks` import it, and it is installed for tests alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from server.auth.sigv4 import ALGORITHM
from server.contract.documents import Answer
from server.contract.hooks import hooks, operation_id

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.engine.events import EngineEvent
    from schemathesis.engine.recorder import ScenarioRecorder

T = TypeVar("T")

LONGEST_STREAM = 1_000_000
"""Events; schemathesis would leave after 20."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: `credentials` by security scheme, `phases` by schemathesis' names, `examples` per operation. `known`
    are names of what there is, by the member or parameter that takes them: every other valid request has them. `sign`
    is put on requests to paths below `signed`, every other time."""

    document: Mapping[str, Any]
    url: str
    operations: frozenset[str]
    credentials: Mapping[str, Mapping[str, str]]
    seed: int
    phases: frozenset[str]
    seconds: int | None = None
    examples: int | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    signed: str = ""
    sign: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One exchange. `mode` is `positive`, `negative` or empty; `answer` None where none came; `whole` says whether it
    is held against the documents: not where the request was broken on purpose. `asked` is its body, or query."""

    operation_id: str
    phase: str
    mode: str
    answer: Answer | None
    whole: bool
    signed: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A check that failed."""

    operation_id: str
    check: str
    says: str
    reproduce: str
    answer: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error of the run itself. `operation_id` is empty where it belongs to none."""

    operation_id: str
    says: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why the run ended: `completed`, `max_time`, `server_unavailable`, ..."""

    reason: str


Told = Tried | Failed | Trouble | Stopped


def run(plan: Plan) -> Iterator[Told]:
    """What happens, as it happens. Raises `ImportError` where schemathesis is not installed."""
    import schemathesis
    from schemathesis.engine import events, from_schema

    schema = schemathesis.openapi.from_dict(deepcopy(dict(plan.document)), config=_configure(plan))
    chosen = schema.include(operation_id=sorted(plan.operations))
    if plan.examples is not None:
        _sample_coverage(chosen, plan.examples, plan.seed)
    by_label = {f"{op.method.upper()} {op.path}": op.definition.raw["operationId"] for op in _operations(chosen)}
    with hooks(plan):
        for event in from_schema(chosen).execute():
            if isinstance(event, events.ScenarioFinished) and event.is_test_scenario:
                yield from _of_scenario(event.recorder, event.phase.value)
            else:
                yield from _of_event(event, by_label)


def _sample_coverage(schema: Any, examples: int, seed: int) -> None:
    """Of the boundary cases, of which an operation has hundreds and schemathesis bounds no number, so many."""
    every = schema.iter_coverage_cases

    def some(operation: Any, **settings: Any) -> Iterator[Case[Any]]:
        return iter(sample(every(operation=operation, **settings), examples, f"{seed} {operation.label}"))

    schema.iter_coverage_cases = some


def sample(cases: Iterable[T], number: int, chance: str) -> list[T]:
    """So many of the cases, the same for the same text."""
    found = list(cases)
    return found if len(found) <= number else Random(chance).sample(found, number)  # noqa: S311  # no secret


def _operations(schema: Any) -> Iterator[Any]:
    return (found.ok() for found in schema.get_all_operations() if hasattr(found, "ok"))


def _of_event(event: EngineEvent, by_label: Mapping[str, str]) -> Iterator[Told]:
    from schemathesis.engine import events

    if isinstance(event, events.NonFatalError):
        yield Trouble(by_label.get(event.label, ""), f"{event.label}: {event.info.title}: {event.info}")
    elif isinstance(event, events.FatalError):
        yield Trouble("", f"{type(event.exception).__name__}: {event.exception}")
    elif isinstance(event, events.EngineFinished):
        yield Stopped(event.stop_reason.value)


def _of_scenario(recorder: ScenarioRecorder, phase: str) -> Iterator[Told]:
    for case_id, node in recorder.cases.items():
        found = recorder.interactions.get(case_id)
        if found is None:
            continue
        case = node.value
        yield _tried(case, phase, found.response, found.request.body, found.request.headers)
        for check in recorder.checks.get(case_id, ()):
            if check.failure_info is not None:
                failure = check.failure_info.failure
                text = found.response.content[:400].decode("utf-8", "replace") if found.response else ""
                says = f"{failure.title}: {failure.message}" if failure.message else failure.title
                yield Failed(operation_id(case), check.name, says, check.failure_info.code_sample, text)


def _tried(case: Case[Any], phase: str, response: Any, body: bytes | None, headers: Mapping[str, list[str]]) -> Tried:
    from schemathesis.generation.meta import REQUEST_SHAPE_PROBES, coverage_scenario

    mode = case.meta.generation.mode.value if case.meta is not None else ""
    name = operation_id(case)
    probe = coverage_scenario(case) in REQUEST_SHAPE_PROBES or case.method.upper() != case.operation.method.upper()
    if response is None:
        return Tried(name, phase, mode, None, whole=False)
    sent = _json_of(body, headers)
    answer = Answer(
        method=case.method.upper(),
        path=case.operation.path,
        status=response.status_code,
        headers={name.lower(): ", ".join(values) for name, values in response.headers.items()},
        content=b"" if response.content is None else response.content,
        sent=sent,
    )
    asked = sent if isinstance(sent, dict) else dict(case.query or {})
    signed = any(
        value.startswith(ALGORITHM) for value in headers.get("Authorization", headers.get("authorization", []))
    )
    return Tried(name, phase, mode, answer, not probe and not response.stream_cut_short, signed, asked)


def _json_of(body: bytes | None, headers: Mapping[str, list[str]]) -> Any:
    """The request's JSON body, or () without one."""
    kind = next((values[0] for name, values in headers.items() if name.lower() == "content-type" and values), "")
    if not body or kind.partition(";")[0].strip() != "application/json":
        return ()
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()


def _configure(plan: Plan) -> Any:
    from schemathesis import Config
    from schemathesis.config import HealthCheck

    generation = {"allow-x00": False, "database": "none"}  # no database of ours can keep a NUL in a text: it is refused
    phases = {name: {"enabled": name in plan.phases} for name in ("examples", "coverage", "fuzzing", "stateful")}
    settings: dict[str, Any] = {
        "base-url": plan.url,
        "seed": plan.seed,
        "suppress-health-check": [check.value for check in HealthCheck if check.value != "all"],
        "request-timeout": 60,
        "max-stream-events": LONGEST_STREAM,
        "continue-on-failure": True,
        "warnings": False,
        "cache": {"enabled": False},
        "output": {"truncation": {"max-recorded-payload-size": 0}},
        "generation": generation if plan.examples is None else {**generation, "max-examples": plan.examples},
        "phases": phases,
        # 501 is the documented answer of what is not built
        "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 501]}},
        "auth": {"openapi": {name: dict(value) for name, value in plan.credentials.items()}},
    }
    if plan.seconds is not None:
        settings["max-time"] = max(plan.seconds, 1)
    return Config.from_dict(settings)

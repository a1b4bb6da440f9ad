"""A run: every chosen operation of every chosen API tried, and what came of it written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from codegen.operation import Operation
from server.contract import engine, streams, transcripts, unbuilt, yardsticks
from server.contract.deviations import Yardsticks
from server.contract.documents import STREAM, Answer
from server.contract.local import Target
from server.contract.record import ApiRecord, Finding, OperationRecord, RunRecord
from server.inspect import find_handler, operations

PHASES = frozenset({"examples", "coverage", "fuzzing"})
STREAMS, STREAMS_LONG = 12, 100
OBJECTS = "/storage/s3"
"""What of an API that has the scheme `AwsSigV4` takes signed requests."""

KNOWN = {"bucket": "contract", "key": "contract.txt"}
"""What a run leaves on the server, so that requests can name it."""


@dataclass(frozen=True, slots=True)
class Options:
    """`prefixes` say where each API is mounted, and which are run; `operations` chooses among theirs, all when empty.
    `seconds` are shared by the APIs. What is not `built` is only asked whether it says so."""

    prefixes: Mapping[str, str]
    seed: int
    operations: frozenset[str] = frozenset()
    seconds: float | None = None
    examples: int | None = None
    stateful: bool = False
    long: bool = False
    model: str = "simulator/chat"
    built: Callable[[Operation], bool] = lambda operation: find_handler(operation) is not None


def run(options: Options, target: Target, command: str) -> RunRecord:
    """Raises `ImportError` where schemathesis is not installed, `httpx.TransportError` where there is no server."""
    record = RunRecord(target.url, options.seed, command)
    chosen = {api: _choose(api, options.operations) for api in options.prefixes}
    chosen = {api: found for api, found in chosen.items() if found}
    seconds = shares({api: len(found) for api, found in chosen.items()}, options.seconds)
    for api, found in chosen.items():
        record.apis.append(ApiRun(api, options, target, found, seconds[api]).go())
    return record


def shares(numbers: Mapping[str, int], seconds: float | None) -> dict[str, float | None]:
    """The APIs' parts of a run's seconds, by how many operations each has to be tried: half by heads, half by those."""
    if seconds is None:
        return dict.fromkeys(numbers)
    each, total = 0.5 * seconds / max(len(numbers), 1), sum(numbers.values())
    return {api: each + 0.5 * seconds * number / total for api, number in numbers.items()}


def _choose(api: str, names: frozenset[str]) -> Sequence[Operation]:
    return [one for one in operations(api) if not names or one.operation_id in names]


class ApiRun:
    """One API's part of a run."""

    def __init__(
        self, api: str, options: Options, target: Target, chosen: Sequence[Operation], seconds: float | None
    ) -> None:
        self._options = options
        self._target = target
        self._seconds = seconds
        self._url = target.url + options.prefixes[api]
        self._yardsticks: Yardsticks = yardsticks.load(api)
        self._chosen = chosen
        self._record = ApiRecord(
            api,
            {
                one.operation_id: OperationRecord(one.operation_id, one.method, one.path, options.built(one))
                for one in chosen
            },
        )

    def go(self) -> ApiRecord:
        started = time.monotonic()
        with self._client() as client:
            self._compare_document(client)
            self._prepare(client)
            self._ask_unbuilt(client)
            self._ask_streams(client)
        built = frozenset(name for name, one in self._record.operations.items() if one.built)
        if built:
            left = None if self._seconds is None else self._seconds - (time.monotonic() - started)
            self._fuzz(built, left)
        self._record.settle()
        self._record.seconds = time.monotonic() - started
        return self._record

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {self._target.key}", "x-admin-token": self._target.admin_token}
        headers = {name: value for name, value in headers.items() if value}
        with httpx.Client(base_url=self._url + "/", headers=headers, timeout=60, trust_env=False) as client:
            yield client

    def _compare_document(self, client: httpx.Client) -> None:
        """The server's own word on what it serves, where it gives one."""
        answer = client.get("openapi.json")
        if answer.status_code != 200:
            self._record.notes.append(f"It hands out no openapi.json ({answer.status_code}).")
        elif not _is_same(answer, self._yardsticks.served.document):
            self._record.faults.append("the server hands out another document than the one of this checkout")

    def _prepare(self, client: httpx.Client) -> None:
        """A bucket with an object in it, for no random name would meet one."""
        if any(one.path.startswith(OBJECTS) for one in self._chosen):
            for path in (KNOWN["bucket"], f"{KNOWN['bucket']}/{KNOWN['key']}"):
                client.put(f"{OBJECTS.lstrip('/')}/{path}", content=b"contract" if "/" in path else b"")

    def _ask_unbuilt(self, client: httpx.Client) -> None:
        missing = [one for one in self._chosen if not self._record.operations[one.operation_id].built]
        for operation, answer in unbuilt.ask(client, missing):
            record = self._record.operations[operation.operation_id]
            record.saw("not built", "", answer.status)
            for says in unbuilt.faults(answer):
                record.add(Finding("not built", says))
            self._judge(record, answer)

    def _ask_streams(self, client: httpx.Client) -> None:
        options = self._options
        number = options.examples or (STREAMS_LONG if options.long else STREAMS)
        asking = streams.Asking(options.model, options.seed, number)
        for one in self._chosen:
            record = self._record.operations[one.operation_id]
            for streamed in (
                streams.ask(client, self._record.api, one.operation_id, one.path, asking) if record.built else ()
            ):
                record.saw("streams", "positive", streamed.answer.status)
                if streamed.refusal:
                    record.add(Finding("streams", streamed.refusal, streamed.reproduce))
                else:
                    self._judge_stream(record, streamed.answer, streamed.asked, streamed.reproduce)
                self._judge(record, streamed.answer)

    def _fuzz(self, built: frozenset[str], seconds: float | None) -> None:
        stop = ""
        for told in engine.run(self._plan(built, seconds)):
            match told:
                case engine.Tried():
                    self._tried(told)
                case engine.Failed():
                    finding = Finding(told.check, told.says, told.reproduce, told.answer)
                    self._record.operations[told.operation_id].add(finding)
                case engine.Trouble():
                    self._trouble(told)
                case engine.Stopped():
                    stop = told.reason
        if stop not in ("completed", "max_time"):
            self._record.faults.append(f"the run was not finished: {stop or 'it broke off'}")

    def _tried(self, told: engine.Tried) -> None:
        record = self._record.operations[told.operation_id]
        record.saw(told.phase, told.mode, told.answer.status if told.answer else 0)
        if told.signed and told.answer is not None:
            record.signed[told.answer.status] += 1
        if told.answer is None or not told.whole:
            return
        if told.answer.status == 200 and told.answer.media_type == STREAM:
            self._judge_stream(record, told.answer, told.asked, "")
        self._judge(record, told.answer)

    def _judge(self, record: OperationRecord, answer: Answer) -> None:
        departures, deviations = self._yardsticks.judge(answer, record.operation_id)
        for departure in departures:
            text = answer.content[:400].decode("utf-8", "replace")
            record.add(Finding(f"document: {departure.kind}", departure.says, answer=f"{answer.status} {text}"))
        if not departures:
            self._record.deviations.add(deviations)

    def _judge_stream(self, record: OperationRecord, answer: Answer, asked: Mapping[str, Any], reproduce: str) -> None:
        record.streams += 1
        rules = transcripts.rules_of(self._record.api, record.operation_id)
        found = list(transcripts.judge(rules, answer.content, asked))
        pointer = self._yardsticks.served.event_schema(answer.method, answer.path)
        if pointer is not None:
            found += transcripts.judge_events(self._yardsticks.served, pointer, answer.content)
        for says in found:
            record.add(Finding("transcript", says, reproduce, answer.content[-400:].decode("utf-8", "replace")))

    def _trouble(self, told: engine.Trouble) -> None:
        if told.operation_id in self._record.operations:
            self._record.operations[told.operation_id].add(Finding("run", told.says))
        else:
            self._record.faults.append(told.says)

    def _plan(self, built: frozenset[str], seconds: float | None) -> engine.Plan:
        document, target, options = self._yardsticks.served.document, self._target, self._options
        schemes = document.get("components", {}).get("securitySchemes", {})
        credentials = {name: made for name, scheme in schemes.items() if (made := credential(scheme, target))}
        signer = None
        if "AwsSigV4" in schemes:
            signer = target.signer()
            if signer is None:
                self._record.notes.append("No access key was given: no request was signed.")
        if any("admin" in scheme.get("name", "") for scheme in schemes.values()) and not target.admin_token:
            self._record.notes.append("No admin token was given: what needs it was asked without it.")
        return engine.Plan(
            document=document,
            url=self._url,
            operations=built,
            credentials=credentials,
            seed=options.seed,
            phases=PHASES | ({"stateful"} if options.stateful or options.long else set()),
            seconds=None if seconds is None else int(seconds),
            examples=options.examples,
            known={**KNOWN, "model": options.model, "model_id": options.model},
            signed=OBJECTS,
            sign=signer,
        )


def credential(scheme: Mapping[str, Any], target: Target) -> dict[str, str] | None:
    """What schemathesis sends for a security scheme; None for those that it cannot do, or has nothing for."""
    if scheme.get("type") == "http" and scheme.get("scheme") == "bearer":
        return {"bearer": target.key} if target.key else None
    if scheme.get("type") != "apiKey" or scheme.get("name", "").lower() == "authorization":
        return None
    secret = target.admin_token if "admin" in scheme["name"] else target.key
    return {"api_key": secret} if secret else None


def _is_same(answer: httpx.Response, document: Mapping[str, Any]) -> bool:
    try:
        theirs = answer.json()
    except ValueError:
        return False
    return all(theirs.get(name) == document.get(name) for name in ("paths", "components"))

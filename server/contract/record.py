"""What a run has tried and found. Plain data, which the reports are written from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from server.contract.deviations import Deviations


class Standing(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_BUILT = "not built"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be. `check` names what found it, `reproduce` is a command that shows it again."""

    check: str
    says: str
    reproduce: str = ""
    answer: str = ""


@dataclass(slots=True)
class OperationRecord:
    """`cases` are by phase and mode (`positive`, `negative`, or empty), `statuses` by the answer's status, 0 for none,
    `signed` those of signed requests; `findings` are by check and words, with how often each was made."""

    operation_id: str
    method: str
    path: str
    built: bool
    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    signed: Counter[int] = field(default_factory=Counter)
    streams: int = 0
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def tried(self) -> int:
        return sum(self.cases.values())

    @property
    def standing(self) -> Standing:
        if self.findings:
            return Standing.FAILED
        if not self.built:
            return Standing.NOT_BUILT
        return Standing.PASSED if self.tried else Standing.NOT_TRIED

    def saw(self, phase: str, mode: str, status: int) -> None:
        self.cases[phase, mode] += 1
        self.statuses[status] += 1

    def add(self, finding: Finding) -> None:
        key = (finding.check, finding.says)
        self.findings.setdefault(key, finding)
        self.times[key] += 1


@dataclass(slots=True)
class ApiRecord:
    """`faults` are what belongs to no operation: errors of the run itself, a document that is not the one served.
    `deviations` are from the document as received; those of no known reason are faults of their operation too."""

    api: str
    operations: dict[str, OperationRecord]
    deviations: Deviations = field(default_factory=Deviations)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.faults) or any(one.standing is Standing.FAILED for one in self.operations.values())

    def settle(self) -> None:
        """Makes findings of the deviations that nothing explains. Called once, at the end."""
        for one in self.deviations.unexplained():
            says = f"{one.departure.says} (and no action of the overlay says why)"
            self.operations[one.operation_id].add(Finding("pristine document", says))


@dataclass(slots=True)
class RunRecord:
    url: str
    seed: int
    command: str
    """What runs it again."""
    apis: list[ApiRecord] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(api.failed for api in self.apis)

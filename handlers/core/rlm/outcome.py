"""What a run has come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from storage.ledger_record import Record

Status = Literal["in_progress", "completed", "failed"]


@dataclass(slots=True)
class Totals:
    """What all calls of a run took, those included that nobody had an answer of. Money in micro-dollars."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0

    def add(self, record: Record) -> None:
        self.calls += 1
        self.input_tokens += record.prompt_tokens
        self.output_tokens += record.completion_tokens
        self.cost_micros += record.cost_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`created_at` is unix seconds. `text` is there when it is completed, `error` (`code`, `message`) when it failed,
    `totals` with both."""

    id: str
    created_at: float
    status: Status
    model: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    totals: Totals | None = None
    error: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        totals = value["totals"]
        return cls(**(dict(value) | {"totals": None if totals is None else Totals(**totals)}))

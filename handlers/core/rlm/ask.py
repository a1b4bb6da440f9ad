"""What is asked for a run of a recursive language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal

Engine = Literal["classic", "lambda"]
SHORT_CHARACTERS = 2000
"""A last message that is no longer may be told beside the text that it is about."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a run ends, whether it has an answer or not. Depth 0 is what the client asked; `max_iterations` are of
    each level; without `max_budget_usd` the project's own limits and credits are all there is."""

    max_depth: int = 2
    max_iterations: int = 30
    max_budget_usd: Decimal | None = None
    max_seconds: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RlmAsk:
    """`input` is a text, or messages of `role` and `content`, which is text. `tools` None are those of the engine's
    default. `keep` lets a run that its client waited for be read again later."""

    model: str
    input: str | Sequence[Mapping[str, str]]
    instructions: str | None = None
    engine: Engine = "classic"
    bounds: Bounds = Bounds()
    effort: str | None = None
    tools: tuple[str, ...] | None = None
    tool_config: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    background: bool = False
    keep: bool = True

    @property
    def text(self) -> str:
        """The whole input as one text."""
        if isinstance(self.input, str):
            return self.input
        if len(self.input) == 1:
            return self.input[0]["content"]
        return "\n\n".join(f"{message['role']}: {message['content']}" for message in self.input)

    @property
    def question(self) -> str | None:
        """What is to be done with the text, as far as that is told beside it."""
        told = [self.instructions or ""]
        if not isinstance(self.input, str) and len(self.input) > 1 and self.input[-1]["role"] == "user":
            last = self.input[-1]["content"]
            told.append(last if len(last) <= SHORT_CHARACTERS else "")
        return "\n\n".join(part for part in told if part) or None

    @property
    def options(self) -> dict[str, Any]:
        """Those of every chat of the run."""
        return {"reasoning_effort": self.effort} if self.effort else {}

    def to_json(self) -> dict[str, Any]:
        budget = self.bounds.max_budget_usd
        bounds = asdict(self.bounds) | {"max_budget_usd": None if budget is None else str(budget)}
        return asdict(self) | {"bounds": bounds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RlmAsk:
        budget, tools = value["bounds"]["max_budget_usd"], value["tools"]
        bounds = value["bounds"] | {"max_budget_usd": None if budget is None else Decimal(budget)}
        return cls(**(dict(value) | {"bounds": Bounds(**bounds), "tools": None if tools is None else tuple(tools)}))

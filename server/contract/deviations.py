"""Why an answer may depart from the document as it was received: the overlay's actions, and their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.overlay import Touched
from server.contract.documents import Answer, Departure, Judge

NORMALISED = (
    "the document made whole: inline `$defs` stand among the components, `oneOf` is `anyOf`, optional properties of "
    "bodies take null where the overlay says so"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """`target` names the overlay's action; it is empty for what is done to every document."""

    target: str
    says: str


@dataclass(slots=True)
class Deviation:
    """One way in which an operation's answers depart from the document as received. Without reasons it is a fault."""

    operation_id: str
    departure: Departure
    reasons: tuple[Reason, ...]
    count: int = 0


class Yardsticks:
    """The document as it is served, as it was received, and as its overlay left it before it was made whole."""

    def __init__(
        self, served: dict[str, Any], pristine: dict[str, Any], overlaid: dict[str, Any], touched: Sequence[Touched]
    ) -> None:
        self.served = Judge(served)
        self.pristine = Judge(pristine)
        self._overlaid = Judge(overlaid)
        self._touched = touched

    def judge(self, answer: Answer, operation_id: str) -> tuple[list[Departure], list[Deviation]]:
        """How an answer departs from the served document, and from the one received."""
        return self.served.judge(answer), self.deviations(answer, operation_id)

    def deviations(self, answer: Answer, operation_id: str) -> list[Deviation]:
        return [
            Deviation(operation_id, departure, self._reasons(departure, answer))
            for departure in self.pristine.judge(answer)
        ]

    def _reasons(self, departure: Departure, answer: Answer) -> tuple[Reason, ...]:
        # a status is documented by the most exact of its spellings; a body may be wrong in several places at once
        places = [[at] for at in departure.pointers] if departure.kind == "status" else [departure.pointers]
        for pointers in places:
            actions = [one for one in self._touched if any(covers(one.pointers, at) for at in pointers)]
            if actions:
                return tuple(dict.fromkeys(Reason(one.target, one.reason) for one in actions))
        if any(other.kind == departure.kind for other in self._overlaid.judge(answer)):
            return (Reason("", NORMALISED),)
        return ()


def covers(touched: Iterable[str], pointer: str) -> bool:
    """Whether an action that touched these places changed what stands at, above or below a pointer."""
    return any(one == pointer or pointer.startswith(one + "/") or one.startswith(pointer + "/") for one in touched)


@dataclass(slots=True)
class Deviations:
    """Those of a run, each once."""

    found: dict[tuple[str, str, tuple[str, ...]], Deviation] = field(default_factory=dict)

    def add(self, deviations: Iterable[Deviation]) -> None:
        for one in deviations:
            key = (one.operation_id, one.departure.kind, one.departure.pointers)
            self.found.setdefault(key, one).count += 1

    def known(self) -> list[Deviation]:
        return [one for one in self.found.values() if one.reasons]

    def unexplained(self) -> list[Deviation]:
        return [one for one in self.found.values() if not one.reasons]

"""What is known to be done though a schema says otherwise: `allowances.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Allowance:
    """What these operations may do though a schema says otherwise. `may` is `refuse` valid requests, in the documented
    words, `say nothing`: an empty body where one is documented, `miss something`: answer 404 to one operation right
    after another made what it names, or `hold anything`: a body that is not what its type says."""

    may: str
    operations: tuple[str, ...]
    reason: str


@cache
def allowances() -> tuple[Allowance, ...]:
    rows = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return tuple(Allowance(row.get("may", "refuse"), tuple(row["operations"]), row["reason"]) for row in rows)


def allowed(may: str) -> frozenset[str]:
    """The operations that may."""
    return frozenset(name for allowance in allowances() if allowance.may == may for name in allowance.operations)


def reasons(operation_ids: Iterable[str]) -> dict[str, list[str]]:
    """By operation, what it may, and why."""
    named = set(operation_ids)
    found: dict[str, list[str]] = {}
    for allowance in allowances():
        for name in allowance.operations:
            if name in named:
                found.setdefault(name, []).append(f"It may {allowance.may}. {allowance.reason}")
    return found

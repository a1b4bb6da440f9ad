"""What is known to be refused though a schema allows it: `allowances.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Allowance:
    """Valid requests of these operations may be refused, in the documented words."""

    operations: tuple[str, ...]
    reason: str


@cache
def allowances() -> tuple[Allowance, ...]:
    rows = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return tuple(Allowance(tuple(row["operations"]), row["reason"]) for row in rows)


def reasons(operation_ids: Iterable[str]) -> dict[str, list[str]]:
    """By operation, why valid requests of it may be refused."""
    named = set(operation_ids)
    found: dict[str, list[str]] = {}
    for allowance in allowances():
        for name in allowance.operations:
            if name in named:
                found.setdefault(name, []).append(allowance.reason)
    return found

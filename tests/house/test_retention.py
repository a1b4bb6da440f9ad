"""What is forgotten is said to be, and what is watched is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from prometheus_client import ProcessCollector

from server.commands.retention import rules
from server.metrics.families import FAMILIES
from tests.house.files import ROOT, parse, python_files

FORGETTING = re.compile(r"purge|expire")


def forgetting() -> Iterator[str]:
    for file in python_files("storage"):
        for node in parse(file).body if "repositories" in file.parts else ():
            if isinstance(node, ast.ClassDef):
                methods = [one.name for one in node.body if isinstance(one, ast.AsyncFunctionDef)]
                yield from (f"{node.name}.{name}" for name in methods if FORGETTING.match(name))


def test_all_that_is_forgotten_has_a_rule() -> None:
    told = {purge for rule in rules() for purge in rule.purges}
    found = set(forgetting())
    assert found
    assert found - told == set()
    assert {purge for purge in told if FORGETTING.match(purge.partition(".")[2])} - found == set()


def test_every_metric_that_is_to_be_watched_is_there() -> None:
    text = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:concordat|process)_[a-z_]+", text))
    there = {family.shown for family in FAMILIES} | {one.name for one in ProcessCollector(registry=None).collect()}
    there |= {f"{family.name}_bucket" for family in FAMILIES if family.kind == "histogram"}
    there |= {f"{one.name}_total" for one in ProcessCollector(registry=None).collect() if one.type == "counter"}
    assert len(named) > len(FAMILIES)
    assert named - there == set()

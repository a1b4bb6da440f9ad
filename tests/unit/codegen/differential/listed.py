"""The disagreements that are known, `specs/disagreements.yaml`, and how they are found.

`python -m tests.unit.codegen.differential.listed` writes the list anew, from what the heavy test tries. It refuses to
when a model refuses what its schema accepts, and when nothing explains what it accepts.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

from codegen.generate import ROOT
from codegen.operation import Json
from tests.unit.codegen.differential.judges import CLASSES, Disagreement, judge
from tests.unit.codegen.differential.subjects import Subject, Values, subjects
from tests.unit.codegen.served import APIS, read_served

LIST = ROOT / "specs" / "disagreements.yaml"
SEEDS = range(1, 4)
EACH = 20
HEADER = """\
# Where a generated model judges otherwise than the document: the keyword at fault and a value that shows it. In all of
# them the model accepts what the document refuses; every value that a document allows is accepted by its model.
# The validator is the judge. Models are views of what it accepted, made from the shape of a schema alone.
#
# Written by `python -m tests.unit.codegen.differential.listed`. Tests hold that nothing is missing here and that
# nothing is listed that no longer occurs. `judged` is the schema of the value where the keyword lies in another one.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A disagreement, and a value of a subject that shows it."""

    disagreement: Disagreement
    subject: Subject
    value: Json

    @property
    def clarity(self) -> tuple[bool, int, str]:
        """The least is best to read: a short value of the schema that the keyword is written in."""
        text = json.dumps(self.value, ensure_ascii=False)
        return _owner(self.disagreement.keyword) != self.subject.pointer, len(text), text


def find(api: str, seed: int, each: int) -> Iterator[Found]:
    """Judges the values around every keyword, and of each schema `each` random ones and as many strayed ones."""
    values = Values(read_served(api), seed)
    for subject in subjects(api):
        for value in (*values.around(subject.pointer), *values.strayed(subject.pointer, each)):
            disagreement = judge(subject, value)
            if disagreement is not None:
                yield Found(disagreement, subject, value)


def read() -> list[Found]:
    by_pointer = {(subject.api, subject.pointer): subject for api in APIS for subject in subjects(api)}
    return [
        Found(
            Disagreement(api, why, keyword),
            by_pointer[api, row.get("judged") or _owner(keyword)],
            row["value"],
        )
        for why, group in yaml.safe_load(LIST.read_text(encoding="utf-8")).items()
        for api, rows in group["listed"].items()
        for keyword, row in rows.items()
    ]


def clearest(found: Iterable[Found]) -> list[Found]:
    """One for each disagreement."""
    best: dict[Disagreement, Found] = {}
    for one in found:
        known = best.get(one.disagreement)
        if known is None or one.clarity < known.clarity:
            best[one.disagreement] = one
    return [best[disagreement] for disagreement in sorted(best)]


def write(found: list[Found]) -> str:
    """The text of the list."""
    parts = [HEADER]
    for why, explanation in CLASSES.items():
        told = textwrap.fill(" ".join(explanation.split()), 116, initial_indent="    ", subsequent_indent="    ")
        parts.append(f"\n{why}:\n  explanation: >-\n{told}\n  listed:\n")
        for api in APIS:
            rows = [one for one in found if one.disagreement.api == api and one.disagreement.why == why]
            parts += [f"    {api}:\n"] if rows else []
            parts += [f"      {one.disagreement.keyword}: {_row(one)}\n" for one in rows]
    return "".join(parts)


def _row(one: Found) -> str:
    elsewhere = one.subject.pointer != _owner(one.disagreement.keyword)
    row = {"judged": one.subject.pointer, "value": one.value} if elsewhere else {"value": one.value}
    return json.dumps(row, ensure_ascii=False)


def _owner(keyword: str) -> str:
    """The component that a keyword is written in."""
    return "#" + "/".join(keyword.split("/")[:4])


def main() -> int:
    found = clearest(one for api in APIS for seed in SEEDS for one in find(api, seed, EACH))
    wrong = [one for one in found if one.disagreement.why not in CLASSES]
    for one in wrong:
        print(f"{one.disagreement.why}: {one.disagreement.keyword}: {json.dumps(one.value)}", file=sys.stderr)
    if not wrong:
        LIST.write_text(write(found), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Validator and models judge the same values; where they disagree is listed, explained, and may only become less.

The heavy tests try more values.
"""

from __future__ import annotations

from itertools import groupby

import pytest

from codegen.pointer import resolve
from tests.unit.codegen.differential import listed
from tests.unit.codegen.differential.judges import CLASSES, Disagreement, judge
from tests.unit.codegen.differential.subjects import Subject, Values, subjects
from tests.unit.codegen.served import APIS, read_served

KNOWN = listed.read()


@pytest.mark.parametrize("api", APIS)
def test_no_disagreement_is_new(api: str) -> None:
    known = {one.disagreement for one in KNOWN}
    met: set[Disagreement] = set()
    for found in listed.find(api, seed=1, each=1):
        assert found.disagreement in known, found
        met.add(found.disagreement)
    assert met


@pytest.mark.parametrize("api", APIS)
def test_every_listed_disagreement_still_occurs(api: str) -> None:
    for one in KNOWN:
        if one.disagreement.api == api:
            assert judge(one.subject, one.value) == one.disagreement


def test_the_list_is_written_as_it_would_be_again() -> None:
    """Each disagreement once, in order, under a class that is explained."""
    assert listed.write(sorted(KNOWN, key=lambda one: one.disagreement)) == listed.LIST.read_text(encoding="utf-8")
    assert [why for why, _ in groupby(KNOWN, key=lambda one: one.disagreement.why)] == list(CLASSES)


@pytest.mark.parametrize("api", APIS)
def test_null_is_only_taken_for_what_may_be_absent(api: str) -> None:
    """The class of nulls hides no property that has to be there."""
    document = read_served(api)
    values = Values(document, 1)
    tried = 0
    for subject in subjects(api):
        schema = resolve(document, subject.pointer)
        for name in schema.get("required", []) if "anyOf" not in schema else []:
            assert judge(subject, values.least(schema) | {name: None}) is None, (subject, name)
            tried += 1
    assert tried > 100


def test_a_disagreement_that_nothing_explains_is_told_from_the_others() -> None:
    """By a schema that is held against the model of another."""
    usage, audio = (
        next(one for one in subjects("maniac") if one.pointer.endswith(f"/{name}"))
        for name in ("ChatResponseUsage", "AudioResponse")
    )
    swapped = Subject("maniac", usage.pointer, audio.model)
    values = Values(read_served("maniac"), 1)
    of_usage = values.least(resolve(read_served("maniac"), usage.pointer))
    of_audio = values.least(resolve(read_served("maniac"), audio.pointer))
    judged = [judge(swapped, value) for value in (of_usage, of_audio)]
    assert all(one is not None and one.why not in CLASSES for one in judged), judged
    assert len({one.why for one in judged if one}) == 2

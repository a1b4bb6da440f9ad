"""What `tests/unit/codegen/differential` does, with more values."""

from __future__ import annotations

import pytest

from tests.unit.codegen.differential import listed
from tests.unit.codegen.served import APIS

SEEDS = range(2, 7)


@pytest.mark.parametrize("api", APIS)
def test_no_disagreement_is_new(api: str) -> None:
    known = {one.disagreement for one in listed.read()}
    for seed in SEEDS:
        for found in listed.find(api, seed, each=60):
            assert found.disagreement in known, (seed, found)

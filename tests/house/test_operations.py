"""Documents, operation tables and handlers agree."""

from __future__ import annotations

import pytest

from server import inspect

OPERATIONS = {"maniac": 33, "ipop": 175, "llama_stack": 74, "llama_stack_deprecated": 73 + 2}
"""As many as their documents have, and what overlays add."""


def test_every_operation_of_every_document_is_there() -> None:
    assert {api: len(inspect.operations(api)) for api in inspect.apis()} == OPERATIONS


@pytest.mark.parametrize("api", OPERATIONS)
def test_operations_have_names_of_their_own(api: str) -> None:
    rows = [row for row in inspect.report() if row.api == api]
    assert len({row.operation_id for row in rows}) == len(rows)
    assert [row.operation_id for row in rows if row.derived] == []


def test_every_handler_fits_its_operation_and_names_one() -> None:
    assert list(inspect.faults()) == []

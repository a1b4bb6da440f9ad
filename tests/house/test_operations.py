"""Documents, operation tables and handlers agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.load import find_documents
from server import inspect
from tests.house.files import ROOT

OPERATIONS = {"maniac": 33, "ipop": 175, "llama_stack": 74, "llama_stack_deprecated": 73}
"""How many each document that comes with the project has as it was received; its overlay may add to them."""

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def received(api: str) -> set[tuple[str, str]]:
    """Method and path of every operation of the document as it was received."""
    (file,) = Path(ROOT / "specs" / "documents").glob(f"{api.replace('_', '-')}.[jy]*")
    document: dict[str, Any] = yaml.load(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {(method.upper(), path) for path, item in document["paths"].items() for method in item if method in METHODS}


def test_there_is_a_table_for_every_document() -> None:
    assert set(inspect.apis()) == set(find_documents(ROOT / "specs" / "documents"))
    assert set(inspect.apis()) >= set(OPERATIONS)


@pytest.mark.parametrize("api", OPERATIONS)
def test_every_operation_of_a_document_is_served(api: str) -> None:
    in_document = received(api)
    assert len(in_document) == OPERATIONS[api]
    assert in_document - {(row.method, row.path) for row in inspect.report() if row.api == api} == set()


@pytest.mark.parametrize("api", OPERATIONS)
def test_operations_have_names_of_their_own(api: str) -> None:
    rows = [row for row in inspect.report() if row.api == api]
    assert len({row.operation_id for row in rows}) == len(rows)
    assert [row.operation_id for row in rows if row.derived] == []


def test_every_handler_fits_its_operation_and_names_one() -> None:
    assert list(inspect.faults()) == []

"""What is written for people is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.commands import tables
from server.config import Settings
from tests.house.files import ROOT

DOCUMENTS = [pytest.param(file, id=str(file.relative_to(ROOT))) for file in tables.documents(ROOT)]


@pytest.mark.parametrize("file", DOCUMENTS)
def test_made_tables_are_current(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert tables.refresh(text) == text


def test_every_made_table_is_shown() -> None:
    shown = {found["name"] for file in tables.documents(ROOT) for found in tables.MADE.finditer(file.read_text())}
    assert shown == set(tables.TABLES)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name: str) -> None:
    assert Settings.model_fields[name].description

"""Nothing in the repository names the machine or the package index that it was made with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.files import ROOT, all_files

AS_RECEIVED = (("specs", "documents"), ("server", "docs_page", "swagger_ui"), ("codegen", "generated"))
"""Folders whose files are other people's words."""

MACHINE_PATHS = re.compile(r"(?<![\w.{}>-])/(root|home|work|opt|Users)/[\w.-]+")
INDEX_HOSTS = re.compile(
    r"pypi\.org|pythonhosted|registry\.npmjs|yarnpkg|proxy\.golang|artifactory|/simple/", re.IGNORECASE
)
LOCK_ADDRESSES = re.compile(r"^\s*-|://|@ ", re.MULTILINE)


def is_ours(file: Path) -> bool:
    parts = file.relative_to(ROOT).parts
    return file != Path(__file__) and not any(parts[: len(folder)] == folder for folder in AS_RECEIVED)


def text_of(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")


OURS = [pytest.param(file, id=str(file.relative_to(ROOT))) for file in all_files() if is_ours(file)]
LOCKS = [pytest.param(file, id=str(file.relative_to(ROOT))) for file in all_files() if file.suffix == ".lock"]


@pytest.mark.parametrize("file", OURS)
def test_no_file_names_a_machine_or_an_index(file: Path) -> None:
    text = text_of(file)
    assert [found[0] for found in MACHINE_PATHS.finditer(text)] == []
    assert [found[0] for found in INDEX_HOSTS.finditer(text)] == []


@pytest.mark.parametrize("file", [case for case in LOCKS if case.values[0].name != "documents.lock"])  # type: ignore[union-attr]
def test_locks_hold_hashes_and_no_addresses(file: Path) -> None:
    lines = [line for line in text_of(file).splitlines() if not line.startswith("    --hash=sha256:")]
    assert len(lines) > 0
    assert [line for line in lines if LOCK_ADDRESSES.search(line) or "==" not in line] == []

from __future__ import annotations

from pathlib import Path

import pytest

from providers.extraction.tools import LIBREOFFICE, PDFTOTEXT, Probe, Program, probe
from tests.unit.providers.extraction.samples import stand_in


async def test_a_program_that_runs_tells_its_version(tmp_path: Path) -> None:
    office = stand_in(tmp_path / "soffice", '[ "$1" = --version ] && echo "LibreOffice 24.2.7.2 420(Build:2)"')
    assert await probe(LIBREOFFICE, str(tmp_path)) == Probe("LibreOffice", office, "24.2.7.2", None)
    tool = stand_in(tmp_path / "pdftotext", '[ "$1" = -v ] && echo "pdftotext version 24.02.0" >&2')
    assert await probe(PDFTOTEXT, str(tmp_path)) == Probe("pdftotext", tool, "24.02.0", None)


async def test_a_program_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    found = await probe(LIBREOFFICE, str(tmp_path))
    assert found == Probe("LibreOffice", None, None, "LibreOffice is not installed")
    assert not found.usable


@pytest.mark.parametrize(
    ("script", "seconds", "problem"),
    [("exit 3", 60, "does not tell its version"), ("sleep 600", 0.2, "did not answer within 0.2 seconds")],
)
async def test_a_program_that_is_broken_is_not_usable(
    tmp_path: Path, script: str, seconds: float, problem: str
) -> None:
    path = stand_in(tmp_path / "soffice", script)
    found = await probe(LIBREOFFICE, str(tmp_path), seconds=seconds)
    assert found == Probe("LibreOffice", path, None, f"LibreOffice {problem}")


async def test_a_program_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("#!/nowhere\n")
    (tmp_path / "odd").chmod(0o755)
    found = await probe(Program("Odd", ("odd",), "-v"), str(tmp_path))
    assert found.problem == "Odd cannot be run: No such file or directory"

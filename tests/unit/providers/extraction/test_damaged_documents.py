"""Whatever happens to a document on its way, it is read or refused. In this process, as nothing here ends it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.errors import Unreadable
from providers.extraction.limits import Limits
from providers.extraction.reading.budget import Budget
from providers.extraction.reading.conversion import Converter
from providers.extraction.reading.document import Document, read
from tests.unit.providers.extraction import samples

DAMAGES = st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8)
Damages = Sequence[tuple[float, int]]
SETTINGS = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
OUTCOMES = ("read", "corrupt", "empty", "unsupported_file", "encrypted")
MADE = {"docx": samples.docx(), "pptx": samples.pptx(), "xlsx": samples.xlsx()}


def damage(content: bytes, damages: Damages) -> bytes:
    """Puts other bytes at places that are told as fractions of the whole."""
    damaged = bytearray(content)
    for place, byte in damages:
        damaged[int(place * len(damaged))] = byte
    return bytes(damaged)


def outcome(content: bytes, path: Path) -> str:
    """`read`, or the code of the failure."""
    path.write_bytes(content)
    limits = Limits()
    try:
        list(read(Document(path, path.name, None), Budget(limits), Converter(None, None, limits)))
    except Unreadable as error:
        return error.code
    return "read"


@SETTINGS
@given(st.sampled_from(sorted(MADE)), DAMAGES)
def test_a_damaged_archive_is_read_or_refused(tmp_path: Path, kind: str, damages: Damages) -> None:
    assert outcome(damage(MADE[kind], damages), tmp_path / f"a.{kind}") in OUTCOMES


@SETTINGS
@given(st.sampled_from(sorted(MADE)), st.data(), DAMAGES)
def test_a_damaged_part_is_read_or_refused(tmp_path: Path, kind: str, data: st.DataObject, damages: Damages) -> None:
    with zipfile.ZipFile(io.BytesIO(MADE[kind])) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    hit = data.draw(st.sampled_from(sorted(name for name in parts if parts[name])))
    damaged = samples.archive(parts | {hit: damage(parts[hit], damages)})
    assert outcome(damaged, tmp_path / f"a.{kind}") in OUTCOMES


@pytest.mark.parametrize("kind", sorted(MADE))
def test_a_document_that_ends_too_early_is_refused(tmp_path: Path, kind: str) -> None:
    for share in (0.1, 0.5, 0.9, 0.99):
        assert outcome(MADE[kind][: int(share * len(MADE[kind]))], tmp_path / f"a.{kind}") == "corrupt"

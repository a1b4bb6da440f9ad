"""What cannot be read fails with its reason, by itself."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path

import pytest

from providers.extraction.isolated import Isolated
from providers.extraction.limits import MEGABYTE, Limits
from tests.unit.providers.extraction import samples
from tests.unit.providers.extraction.conftest import Read, Refuse

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
HUGE_SHEET = {
    "xl/workbook.xml": '<workbook xmlns:r="http://purl.oclc.org/ooxml/officeDocument/relationships">'
    '<sheets><sheet name="S" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="r1" Type="x/worksheet" Target="s.xml"/>'
    '<Relationship Id="r2" Type="x/sharedStrings" Target="t.xml"/></Relationships>',
    "xl/t.xml": f"<sst><si><t>{'x' * MEGABYTE}</t></si></sst>",
    "xl/s.xml": "<s>" + '<row><c t="s"><v>0</v></c></row>' * 1000 + "</s>",
}


@pytest.mark.parametrize(
    ("content", "filename", "code", "why"),
    [
        (b"", "a.txt", "empty", "empty"),
        (b" \n\t", "a.txt", "empty", "no text"),
        (samples.pdf([[]]), "scan.pdf", "empty", "pictures"),
        (PNG, "a.txt", "unsupported_file", "neither text"),
        (b"text" * 9000 + b"\0", "a.txt", "unsupported_file", "NUL"),
        (samples.archive({"a.txt": b"a"}), "a.zip", "unsupported_file", "archive"),
        (b"just text", "a.pdf", "corrupt", "named .pdf"),
        (b"just text", "a.docx", "corrupt", "named .docx"),
        (b"first\nsecond \xff\xfe", "a.txt", "corrupt", "not valid UTF-8: byte 13, in line 2"),
        (b"%PDF-1.7\nnothing else", "a.pdf", "corrupt", "damaged"),
        (samples.docx()[:5000], "a.docx", "corrupt", "damaged"),
        (samples.archive({"word/document.xml": "<w:p>"}), "a.docx", "corrupt", "word/document.xml"),
        (samples.archive({"xl/workbook.xml": "<x/>"}), "a.xlsx", "empty", "no text"),
        (samples.word("<w:p><w:r><w:t>&l11;</w:t></w:r></w:p>", samples.laughs()), "a.docx", "corrupt", "entities"),
        (samples.pdf([["secret"]], password="open sesame"), "a.pdf", "encrypted", "password"),
        (samples.old_office("EncryptedPackage"), "a.xlsx", "encrypted", "password"),
        (samples.old_office("WordDocument"), "a.doc", "unsupported_file", "LibreOffice, which is not installed"),
        (b"{\\rtf1 text}", "a.rtf", "unsupported_file", "LibreOffice"),
        (samples.archive(HUGE_SHEET), "a.xlsx", "too_large", "20 MB of text"),
    ],
)
async def test_a_bad_document_is_refused_with_its_reason(
    refuse: Refuse, content: bytes, filename: str, code: str, why: str
) -> None:
    error = await refuse(content, filename)
    assert error.code == code
    assert why in error.message


async def test_a_zip_bomb_is_given_up(refuse: Refuse) -> None:
    reader = Isolated(Limits(unpacked_bytes=50 * MEGABYTE))
    content = samples.bomb(100)
    assert len(content) < MEGABYTE
    error = await refuse(content, "a.docx", reader=reader)
    assert (error.code, error.message) == ("too_large", "the document unpacks to more than 50 MB")


async def test_hundreds_of_megabytes_of_zeros_cost_nothing(refuse: Refuse, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = samples.zeros(tmp_path / "zeros", 300)
    assert (await refuse(path, "a.txt")).code == "unsupported_file"
    with path.open("r+b") as file:
        file.write(b"text" * 4096)
    assert (await refuse(path, "a.txt")).code == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


async def test_more_text_than_is_read_is_too_large(refuse: Refuse) -> None:
    error = await refuse("é" * 600, "a.txt", reader=Isolated(Limits(text_bytes=1000)))
    assert error.code == "too_large"


async def test_a_document_that_needs_too_much_memory_is_too_large(refuse: Refuse) -> None:
    reader = Isolated(Limits(memory_bytes=100 * MEGABYTE, text_bytes=60 * MEGABYTE))
    error = await refuse(b"x" * (50 * MEGABYTE), "a.txt", reader=reader)
    assert error.code == "too_large"
    assert "memory" in error.message


async def test_a_document_that_takes_too_much_of_the_processor_times_out(refuse: Refuse) -> None:
    reader = Isolated(Limits(cpu_seconds=1, unpacked_bytes=10**12))
    content = samples.archive({"word/document.xml": "<a>" + "<b/>" * 10_000_000 + "</a>"})
    assert (await refuse(content, "a.docx", reader=reader)).code == "timed_out"


def hanging(tmp_path: Path, **limits: float) -> tuple[Isolated, Path]:
    """A reader whose converter writes down its process and never ends."""
    told = tmp_path / "told"
    script = f"echo $$ > {told}.tmp; mv {told}.tmp {told}; sleep 600"
    soffice = samples.stand_in(tmp_path / "soffice", script)
    return Isolated(Limits(**limits), soffice=soffice), told  # type: ignore[arg-type]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(told: Path) -> bool:
    """Whether the process is there, waited for as long as one that was killed may take to be gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(int(told.read_text()), 0)
        except ProcessLookupError:
            return False
        state = Path(f"/proc/{told.read_text().strip()}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.01)
    return True


async def test_what_hangs_is_ended_with_all_that_it_started(refuse: Refuse, tmp_path: Path) -> None:
    for seconds in (2.0, 20.0, 60.0):  # until there was time enough to start it
        reader, told = hanging(tmp_path, wall_seconds=seconds)
        error = await refuse(samples.old_office("WordDocument"), "a.doc", reader=reader)
        assert (error.code, error.message) == ("timed_out", f"the document was not read within {seconds:g} seconds")
        if told.exists():
            break
    assert not is_alive(told)


async def test_a_reader_is_ended_when_nobody_waits_for_it_any_more(read: Read, tmp_path: Path) -> None:
    reader, told = hanging(tmp_path)
    task = asyncio.ensure_future(read(samples.old_office("WordDocument"), "a.doc", reader=reader))
    await asyncio.to_thread(wait_for, told)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(told)


async def test_a_reader_that_is_killed_fails_its_document_alone(refuse: Refuse, read: Read, tmp_path: Path) -> None:
    soffice = samples.stand_in(tmp_path / "soffice", "kill -SEGV $PPID")
    error = await refuse(samples.old_office("WordDocument"), "a.doc", reader=Isolated(soffice=soffice))
    assert error.code == "corrupt"
    assert (await read("fine", "a.txt"))[0].text == "fine"


async def test_a_reader_knows_no_secrets_and_nothing_of_the_server(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCORDAT_SECRET_KEY", "secret")
    seen = tmp_path / "seen"
    soffice = samples.stand_in(
        tmp_path / "soffice", f"tr '\\0' '\\n' < /proc/$PPID/environ > {seen}; ls /proc/$PPID/fd | wc -l >> {seen}"
    )
    reader = Isolated(soffice=soffice)
    with pytest.raises(Exception, match="LibreOffice cannot read"):
        await read(samples.old_office("WordDocument"), "a.doc", reader=reader)
    assert seen.read_text().split() == ["LC_ALL=C.UTF-8", "3"]


async def test_no_more_documents_are_read_at_once_than_there_are_places(read: Read, tmp_path: Path) -> None:
    lock, overlapped = tmp_path / "lock", tmp_path / "overlapped"
    script = f"mkdir {lock} || touch {overlapped}; sleep 0.05; rmdir {lock}"
    reader = Isolated(soffice=samples.stand_in(tmp_path / "soffice", script), most_at_once=1)
    old = tmp_path / "old"
    old.write_bytes(samples.old_office("WordDocument"))
    failed = await asyncio.gather(*(read(old, "a.doc", reader=reader) for _ in range(4)), return_exceptions=True)
    assert [getattr(error, "code", None) for error in failed] == ["corrupt"] * 4
    assert not overlapped.exists()


async def test_a_failure_names_no_file_of_the_server(refuse: Refuse, tmp_path: Path) -> None:
    assert str(tmp_path) not in (await refuse(tmp_path / "gone", "a.txt")).message

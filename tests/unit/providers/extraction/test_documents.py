"""What is read of documents that are in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.extraction.interface import Section
from providers.extraction.isolated import Isolated
from tests.unit.providers.extraction import samples
from tests.unit.providers.extraction.conftest import Read

PAGE = """<!doctype html><title>Tides &amp; moons</title><style>p {color: red}</style>
<script>if (1 < 2) { alert("<p>no</p>") }</script>
<h1>Why <em>tides</em>
 rise</h1><p>The   moon&nbsp;pulls.<br>Twice.</p><table><tr><th>port<th>height</tr><tr><td>Brest</td><td>7 m</td></tr>
</table><pre>a
  b</pre>"""


async def test_a_pdf_gives_its_pages(read: Read) -> None:
    content = samples.pdf([["Spring tides follow the full moon.", "Neaps follow the quar-", "ters."], [], ["Ebb"]])
    assert await read(content, "tides.pdf") == [
        Section("Spring tides follow the full moon.\nNeaps follow the quarters.", page=1),
        Section("Ebb", page=3),
    ]


async def test_a_word_document_gives_paragraphs_and_tables(read: Read) -> None:
    assert await read(samples.docx(), "a.docx") == [
        Section("Tides\n\nThe moon\tpulls.\n\nport\theight\nBrest\t7 m\n\nAfterwards.")
    ]


async def test_of_a_word_document_deleted_and_doubled_text_is_not_read(read: Read) -> None:
    body = (
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>kept</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t> new</w:t><w:br/></w:r></w:ins>"
        "<w:Fallback><w:r><w:t>twice</w:t></w:r></w:Fallback><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert await read(samples.word(body), "a.docx") == [Section("kept new")]


async def test_notes_at_the_foot_of_a_word_document_are_read(read: Read) -> None:
    part = f"<w:x {samples.WORD_NAMES}><w:p><w:r><w:t>{{}}</w:t></w:r></w:p></w:x>"
    parts = {"word/document.xml": part.format("body"), "word/footnotes.xml": part.format("note")}
    assert await read(samples.archive(parts), "a.docx") == [Section("body\n\nnote")]


async def test_slides_come_in_the_order_they_are_shown_in_with_their_notes(read: Read) -> None:
    assert await read(samples.pptx(), "a.pptx") == [
        Section("Second\n\nthree\n\nSay it slowly.", slide=1),
        Section("First\n\none\ntwo", slide=2),
    ]


async def test_a_workbook_gives_its_sheets_with_values_as_they_are_shown(read: Read) -> None:
    assert await read(samples.xlsx(), "a.xlsx") == [
        Section("Brest\t7\t0.1\tTRUE\t2024-02-29\t2024-02-29 06:30:00\t12:30:00\nline one\t1e+20", sheet="Ports"),
        Section("Brest", sheet="R & D"),
    ]


async def test_a_page_of_html_is_read_as_it_is_seen(read: Read) -> None:
    [section] = await read(PAGE, "a.html")
    assert section.text == (
        "Tides & moons\n\nWhy tides rise\n\nThe moon\xa0pulls.\nTwice.\n\nport\theight\nBrest\t7 m\n\na\n  b"
    )


@pytest.mark.parametrize(
    ("filename", "text"),
    [
        ("a.md", "# Tides\n\n- spring\n- neap\n"),
        ("a.csv", "port,height\nBrest,7\n"),
        ("a.py", "def rise() -> None:\n\treturn\n"),
        ("a.json", '{"a": "line\\none", "b": [1.10]}'),
        ("noname", "日本語 👩‍👩‍👧\n"),
    ],
)
async def test_text_is_read_as_it_is(read: Read, filename: str, text: str) -> None:
    assert await read(text, filename) == [Section(text)]


async def test_escaped_characters_of_json_can_be_found(read: Read) -> None:
    given = r'{"a": "caf\u00e9 \ud83c\udf0a", "b": "\\u00e9", "c": "\u0022\u000a", "d": "\ud800"}'
    [section] = await read(given, "a.json")
    assert section.text == r'{"a": "café 🌊", "b": "\\u00e9", "c": "\u0022\u000a", "d": "�"}'


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
async def test_a_byte_order_mark_is_kept_to(read: Read, encoding: str) -> None:
    assert await read("café\r\nthé\r".encode(encoding), "a.txt") == [Section("café\nthé\n")]


async def test_the_encoding_that_the_sender_or_the_page_names_is_kept_to(read: Read) -> None:
    assert await read("café".encode("cp1252"), "a.txt", "text/plain; charset=windows-1252") == [Section("café")]
    page = '<html><head><meta charset="windows-1252"></head><body>café</body></html>'
    assert await read(page.encode("cp1252"), "a.html") == [Section("café")]


async def test_content_has_the_first_word_on_what_a_file_is(read: Read) -> None:
    assert await read(samples.pdf([["Ebb"]]), "a.txt", "text/plain") == [Section("Ebb", page=1)]
    assert (await read(samples.docx(), "a.pdf"))[0].text.startswith("Tides")
    assert await read("<HTML><body>Ebb</body></HTML>", "a.txt") == [Section("Ebb")]


async def test_control_characters_do_not_reach_the_text(read: Read) -> None:
    assert await read("a\x1bb\x85c\u2028d\x0ce", "a.txt") == [Section("ab\nc\nd\x0ce")]


async def test_old_office_files_are_converted(read: Read, tmp_path: Path) -> None:
    made = tmp_path / "made.docx"
    made.write_bytes(samples.docx())
    script = f'while [ "$1" != --outdir ]; do shift; done; cp {made} "$2/blob.docx"'
    reader = Isolated(soffice=samples.stand_in(tmp_path / "soffice", script))
    [section] = await read(samples.old_office("WordDocument"), "a.doc", reader=reader)
    assert section.text.startswith("Tides")

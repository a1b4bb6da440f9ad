"""Documents made by the libraries that everybody makes them with, and hostile ones made by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from pathlib import Path

WORD_NAMES = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def pdf(pages: Sequence[Sequence[str]], password: str | None = None) -> bytes:
    """Each page as its lines."""
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, encrypt=password)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(72, 720 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("Tides")
    document.add_paragraph("The moon\tpulls.")
    table = document.add_table(2, 2)
    for number, word in enumerate(["port", "height", "Brest", "7 m"]):
        table.cell(*divmod(number, 2)).text = word
    document.add_paragraph("Afterwards.")
    return _saved(document)


def pptx() -> bytes:
    from pptx import Presentation

    presentation = Presentation()
    for title, text in (("First", "one\ntwo"), ("Second", "three")):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    presentation.slides[1].notes_slide.notes_text_frame.text = "Say it slowly."
    slides = presentation.slides._sldIdLst
    slides.insert(0, slides[1])
    return _saved(presentation)


def xlsx() -> bytes:
    from openpyxl import Workbook

    workbook = Workbook()
    workbook.active.title = "Ports"
    moments = (datetime.fromisoformat(moment) for moment in ("2024-02-29", "2024-02-29T06:30"))
    workbook.active.append(["Brest", 7, 0.1, True, *moments, time(12, 30)])
    workbook.active.append([None, "line\none", 1e20, "=1+1"])
    workbook.create_sheet("Empty")
    workbook.create_sheet("R & D").append(["Brest"])
    return _saved(workbook)


def archive(members: Mapping[str, bytes | str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def word(body: str, before: str = "") -> bytes:
    """A Word document of nothing but its main part; `before` stands before its first element."""
    return archive({"word/document.xml": f"{before}<w:document {WORD_NAMES}><w:body>{body}</w:body></w:document>"})


def bomb(unpacked_megabytes: int) -> bytes:
    """A Word document that unpacks to so much, and says so little."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made, made.open("word/document.xml", "w") as part:
        part.write(f"<w:document {WORD_NAMES}>".encode())
        for _ in range(unpacked_megabytes):
            part.write(b" " * 1_000_000)
        part.write(b"</w:document>")
    return file.getvalue()


def laughs() -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE w:document [<!ENTITY l0 "ha">{entities}]>'


def old_office(stream: str) -> bytes:
    """The head and the directory of an OLE file, as far as its kind can be told."""
    return OLE + bytes(504) + f"{stream}\0".encode("utf-16-le") + bytes(512)


def zeros(path: Path, megabytes: int) -> Path:
    """A sparse file: it takes no place on the disk."""
    with path.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    return path


def stand_in(path: Path, script: str) -> Path:
    """A program in the place of one that may not be installed."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _saved(document: object) -> bytes:
    file = io.BytesIO()
    document.save(file)  # type: ignore[attr-defined]
    return file.getvalue()

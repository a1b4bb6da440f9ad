"""PDF by PDFium, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY

from providers.errors import Unreadable
from providers.extraction.interface import Section
from providers.extraction.reading.budget import Budget

HYPHEN_AT_LINE_END = re.compile(r"[\x02\ufffe](?:\r?\n)?")
"""PDFium's mark for a hyphen that only the end of the line has put there."""


def read_pdf(path: Path, budget: Budget) -> Iterator[Section]:
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY):
            raise Unreadable("encrypted", "the PDF asks for a password") from None
        raise Unreadable("corrupt", "the PDF is damaged") from None
    for index in range(len(document)):
        text = _read_page(document, index)
        budget.take_text(text)
        yield Section(text, page=index + 1)


def _read_page(document: pypdfium2.PdfDocument, index: int) -> str:
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        raise Unreadable("corrupt", f"the PDF is damaged: page {index + 1} cannot be read") from None
    try:
        text = page.get_textpage()
        try:
            return HYPHEN_AT_LINE_END.sub("", text.get_text_range())
        finally:
            text.close()
    finally:
        page.close()

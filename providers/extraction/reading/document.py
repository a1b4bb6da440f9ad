"""From a file to its sections."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from providers.errors import Unreadable
from providers.extraction.interface import Section
from providers.extraction.reading.budget import Budget
from providers.extraction.reading.conversion import Converter
from providers.extraction.reading.kinds import Kind, detect
from providers.extraction.reading.text import decode, tidy, unescape_json

BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, OSError)
LARGEST_ENCODING = 4
"""Bytes a character in UTF-32, which takes the most."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file, and what its sender says of it."""

    path: Path
    filename: str
    media_type: str | None


def read(document: Document, budget: Budget, converter: Converter) -> Iterator[Section]:
    """Sections that are not blank. Raises `Unreadable`."""
    found = False
    for section in _read(document, budget, converter):
        text = tidy(section.text)
        if text and not text.isspace():
            found = True
            yield replace(section, text=text)
    if not found:
        raise Unreadable("empty", "the document holds no text; it may be made of pictures")


def _read(document: Document, budget: Budget, converter: Converter) -> Iterator[Section]:
    try:
        kind = detect(document.path, document.filename, document.media_type)
        if kind.converted:
            made = converter.convert(document.path, kind.converted)
            document = Document(made, made.name, None)
            kind = detect(made, made.name, None)
        yield from _reader(kind)(document, budget)
    except NotImplementedError as error:
        raise Unreadable("unsupported_file", f"the document is packed in an unknown way: {error}") from None
    except BROKEN_ARCHIVE as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Unreadable("corrupt", f"the document is damaged: {why}") from None


def _reader(kind: Kind) -> Callable[[Document, Budget], Iterator[Section]]:
    """Imports no more than the kind of document needs."""
    if kind is Kind.PDF:
        from providers.extraction.reading.pdf import read_pdf

        return lambda document, budget: read_pdf(document.path, budget)
    if kind is Kind.DOCX:
        from providers.extraction.reading.docx import read_docx

        return lambda document, budget: read_docx(document.path, budget)
    if kind is Kind.PPTX:
        from providers.extraction.reading.pptx import read_pptx

        return lambda document, budget: read_pptx(document.path, budget)
    if kind is Kind.XLSX:
        from providers.extraction.reading.xlsx import read_xlsx

        return lambda document, budget: read_xlsx(document.path, budget)
    return lambda document, budget: _read_text(document, budget, kind)


def _read_text(document: Document, budget: Budget, kind: Kind) -> Iterator[Section]:
    if document.path.stat().st_size > LARGEST_ENCODING * budget.limits.text_bytes:
        raise Unreadable("too_large", "the file is larger than any text that is read here")
    text = decode(document.path.read_bytes(), document.media_type, is_html=kind is Kind.HTML)
    if "\0" in text:
        raise Unreadable("unsupported_file", "the file is not text: it holds the character NUL")
    if kind is Kind.HTML:
        from providers.extraction.reading.html import read_html

        yield Section(read_html(text, budget))
        return
    budget.take_text(text)
    yield Section(unescape_json(text) if kind is Kind.JSON else text)

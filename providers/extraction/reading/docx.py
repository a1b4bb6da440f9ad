"""Word's documents: the body, then its footnotes and endnotes. Source: ECMA-376, part 1, 11.3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from providers.extraction.interface import Section
from providers.extraction.reading.archive import Archive
from providers.extraction.reading.budget import Budget
from providers.extraction.reading.paragraphs import Paragraphs

PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")


def read_docx(path: Path, budget: Budget) -> Iterator[Section]:
    archive, texts = Archive.open(path, budget), []
    for part in PARTS:
        if part == PARTS[0] or archive.has(part):
            reader = Paragraphs(budget)
            archive.parse(part, reader)
            texts.append(reader.take())
    yield Section("\n\n".join(filter(None, texts)))

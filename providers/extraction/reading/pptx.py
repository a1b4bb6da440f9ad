"""PowerPoint's slides in the order they are shown in, each followed by its notes. Source: ECMA-376, part 1, 13.3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from providers.extraction.interface import Section
from providers.extraction.reading.archive import Archive, relation_id
from providers.extraction.reading.budget import Budget
from providers.extraction.reading.paragraphs import Paragraphs

PRESENTATION = "ppt/presentation.xml"
FIELDS = frozenset({"fld"})
"""Numbers and dates that PowerPoint fills in."""


def read_pptx(path: Path, budget: Budget) -> Iterator[Section]:
    archive = Archive.open(path, budget)
    order = _Order()
    archive.parse(PRESENTATION, order)
    relations = archive.relations(PRESENTATION)
    slides = [relations[found].target for found in order.ids if found in relations]
    for number, slide in enumerate(slides, start=1):
        notes = [relation.target for relation in archive.relations(slide).values() if relation.kind == "notesSlide"]
        texts = [_read(archive, part) for part in (slide, *notes)]
        yield Section("\n\n".join(filter(None, texts)), slide=number)


def _read(archive: Archive, part: str) -> str:
    reader = Paragraphs(archive.budget, "\n", FIELDS)
    archive.parse(part, reader)
    return reader.take()


class _Order:
    def __init__(self) -> None:
        self.ids: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sldId":
            self.ids.append(relation_id(attributes))

    def end(self, name: str) -> None: ...

    def text(self, text: str) -> None: ...

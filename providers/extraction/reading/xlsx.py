"""Excel's workbooks, a section a sheet: rows are lines, cells are apart by tabs, empty ones are left out.

A formula gives the value it had when the workbook was saved. Source: ECMA-376, part 1, 12.3 and 18.3.1.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from providers.errors import Unreadable
from providers.extraction.interface import Section
from providers.extraction.reading.archive import Archive, Events, relation_id
from providers.extraction.reading.budget import Budget
from providers.extraction.reading.sheet_values import EPOCH_1900, EPOCH_1904, Formats, write_date, write_number

WORKBOOK = "xl/workbook.xml"


def read_xlsx(path: Path, budget: Budget) -> Iterator[Section]:
    archive = Archive.open(path, budget)
    workbook, formats, shared = _Workbook(), Formats(), _SharedTexts()
    archive.parse(WORKBOOK, workbook)
    relations = archive.relations(WORKBOOK)
    _parse_kind(archive, "styles", formats)
    _parse_kind(archive, "sharedStrings", shared)
    for name, relation_name in workbook.sheets:
        found = relations.get(relation_name)
        if found and found.kind == "worksheet":
            sheet = _Sheet(budget, shared.texts, formats, workbook)
            archive.parse(found.target, sheet)
            yield Section("".join(sheet.parts).strip("\n"), sheet=name)


def _parse_kind(archive: Archive, kind: str, events: Events) -> None:
    for relation in archive.relations(WORKBOOK).values():
        if relation.kind == kind:
            archive.parse(relation.target, events)


class _Workbook:
    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.epoch = EPOCH_1900

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet":
            self.sheets.append((attributes.get("name", ""), relation_id(attributes)))
        elif name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            self.epoch = EPOCH_1904

    def end(self, name: str) -> None: ...

    def text(self, text: str) -> None: ...


class _SharedTexts:
    """The texts that cells refer to by number, without the pronunciation beside them (`rPh`)."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._parts: list[str] = []
        self._in_text = self._in_pronunciation = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "t":
            self._in_text = True
        elif name == "rPh":
            self._in_pronunciation = True

    def end(self, name: str) -> None:
        if name == "t":
            self._in_text = False
        elif name == "rPh":
            self._in_pronunciation = False
        elif name == "si":
            self.texts.append("".join(self._parts))
            self._parts.clear()

    def text(self, text: str) -> None:
        if self._in_text and not self._in_pronunciation:
            self._parts.append(text)


class _Sheet:
    def __init__(self, budget: Budget, shared: list[str], formats: Formats, workbook: _Workbook) -> None:
        self.parts: list[str] = []
        self._budget, self._shared, self._formats, self._workbook = budget, shared, formats, workbook
        self._kind = self._style = ""
        self._value: list[str] = []
        self._in_value = False
        self._begun = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._value.clear()
        elif name in ("v", "t"):
            self._in_value = True

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._in_value = False
        elif name == "c" and self._value:
            self._add(self._read("".join(self._value)))
        elif name == "row" and self._begun:
            self.parts.append("\n")
            self._begun = False

    def text(self, text: str) -> None:
        if self._in_value:
            self._value.append(text)

    def _read(self, value: str) -> str:
        if self._kind == "s":
            return self._look_up(value)
        if self._kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if self._kind == "n":
            is_date = self._formats.is_date(self._style)
            return write_date(value, self._workbook.epoch) if is_date else write_number(value)
        return value

    def _look_up(self, number: str) -> str:
        if not number.strip().isdecimal() or int(number) >= len(self._shared):
            raise Unreadable("corrupt", "the workbook is damaged: a cell refers to a text that is not there")
        return self._shared[int(number)]

    def _add(self, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self._budget.take_text(text)
            self.parts.append(f"\t{text}" if self._begun else text)
            self._begun = True

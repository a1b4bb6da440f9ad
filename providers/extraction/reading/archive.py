"""Office Open XML as a zip of XML parts that refer to each other. Source: ECMA-376, part 2."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from xml.parsers import expat

from providers.errors import Unreadable
from providers.extraction.reading.budget import Budget

PORTION_BYTES = 65_536
RELATIONS = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
)


class Events(Protocol):
    """What a part says, in its order; elements under their names without namespace, attributes as expat has them:
    `namespace name`, or the bare name where it has no namespace."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None: ...
    def end(self, name: str) -> None: ...
    def text(self, text: str) -> None: ...


class Relation(NamedTuple):
    """`kind` is the last word of the relation's type: `slide`, `notesSlide`."""

    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Archive:
    """Every read may raise `Unreadable`, what `zipfile` raises for a damaged archive."""

    file: zipfile.ZipFile
    budget: Budget

    @classmethod
    def open(cls, path: Path, budget: Budget) -> Archive:
        return cls(zipfile.ZipFile(path), budget)

    def has(self, part: str) -> bool:
        return part in self.file.NameToInfo

    def parse(self, part: str, events: Events) -> None:
        """Reads a part in portions, so that its size is no matter of memory."""
        parser = _parser(part, events)
        try:
            info = self.file.getinfo(part)
        except KeyError:
            raise Unreadable("corrupt", f"the document lacks its part {part}") from None
        if info.flag_bits & 1:
            raise Unreadable("encrypted", "the document asks for a password")
        try:
            with self.file.open(info) as content:
                while portion := content.read(PORTION_BYTES):
                    self.budget.take_unpacked(len(portion))
                    parser.Parse(portion, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise Unreadable("corrupt", f"the document is damaged in its part {part}: {error}") from None

    def relations(self, part: str) -> dict[str, Relation]:
        """By their ids, the parts that a part refers to."""
        folder, name = posixpath.split(part)
        listed = f"{folder}/_rels/{name}.rels"
        reader = _Relations(folder)
        if self.has(listed):
            self.parse(listed, reader)
        return reader.found


class _Relations:
    def __init__(self, folder: str) -> None:
        self.found: dict[str, Relation] = {}
        self._folder = folder

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", self._folder, attributes.get("Target", "")))
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.found[attributes.get("Id", "")] = Relation(kind, target.lstrip("/"))

    def end(self, name: str) -> None: ...

    def text(self, text: str) -> None: ...


def relation_id(attributes: Mapping[str, str]) -> str:
    """What an element refers to, in either of the namespaces that are in use."""
    return next((attributes[f"{space} id"] for space in RELATIONS if f"{space} id" in attributes), "")


def _parser(part: str, events: Events) -> expat.XMLParserType:
    """Refuses every document type definition: there is none in an honest document, and entities that unfold without
    end, or read other files, need one."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise Unreadable("corrupt", f"the document's part {part} defines entities, which is not allowed")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: events.start(name.rpartition(" ")[2], attributes)
    parser.EndElementHandler = lambda name: events.end(name.rpartition(" ")[2])
    parser.CharacterDataHandler = events.text
    return parser

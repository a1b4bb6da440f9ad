"""What a file is: by its content first, and by its name only for what content does not show."""

from __future__ import annotations

import mmap
import zipfile
from enum import Enum
from pathlib import Path, PurePath

from providers.errors import Unreadable
from providers.extraction.reading.text import BYTE_ORDER_MARKS

HEAD_BYTES = 8192
PDF_HEAD_BYTES = 1024
OLE = bytes.fromhex("d0cf11e0a1b11ae1")
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b\b")


class Kind(Enum):
    TEXT = "text"
    HTML = "HTML"
    JSON = "JSON"
    PDF = "PDF"
    DOCX = "Word"
    PPTX = "PowerPoint"
    XLSX = "Excel"
    OLD_DOCUMENT = "docx"
    OLD_PRESENTATION = "pptx"
    OLD_SHEETS = "xlsx"

    @property
    def converted(self) -> str | None:
        """The extension of what a converter is to make of it, where we do not read it ourselves."""
        return self.value if self.name.startswith("OLD_") else None


MAIN_PARTS = {
    "word/document.xml": Kind.DOCX,
    "ppt/presentation.xml": Kind.PPTX,
    "xl/workbook.xml": Kind.XLSX,
    "xl/workbook.bin": Kind.OLD_SHEETS,
}
OPEN_DOCUMENTS = {
    "application/vnd.oasis.opendocument.text": Kind.OLD_DOCUMENT,
    "application/vnd.oasis.opendocument.presentation": Kind.OLD_PRESENTATION,
    "application/vnd.oasis.opendocument.spreadsheet": Kind.OLD_SHEETS,
}
OLE_STREAMS = {
    "EncryptedPackage": None,
    "WordDocument": Kind.OLD_DOCUMENT,
    "PowerPoint Document": Kind.OLD_PRESENTATION,
    "Workbook": Kind.OLD_SHEETS,
    "Book": Kind.OLD_SHEETS,
}
BY_EXTENSION = {
    ".html": Kind.HTML,
    ".htm": Kind.HTML,
    ".xhtml": Kind.HTML,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSON,
    ".ndjson": Kind.JSON,
    ".ipynb": Kind.JSON,
}
BY_MEDIA_TYPE = {
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "application/json": Kind.JSON,
    "application/jsonl": Kind.JSON,
    "application/x-ndjson": Kind.JSON,
}
NOT_TEXT = ".pdf .docx .pptx .xlsx .doc .ppt .xls .odt .odp .ods .xlsb .zip .gz .png .jpg .jpeg .gif .webp .exe"
NEVER_TEXT = frozenset(NOT_TEXT.split())


def detect(path: Path, filename: str, media_type: str | None) -> Kind:
    """Raises `Unreadable`, and `zipfile.BadZipFile` for a damaged archive."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise Unreadable("empty", "the file is empty")
    if b"%PDF-" in head[:PDF_HEAD_BYTES]:
        return Kind.PDF
    if head.startswith(ZIP):
        return _detect_in_zip(path)
    if head.startswith(OLE):
        return _detect_in_ole(path)
    if head.startswith(b"{\\rtf"):
        return Kind.OLD_DOCUMENT
    return _detect_text(head, filename, media_type)


def _detect_text(head: bytes, filename: str, media_type: str | None) -> Kind:
    marked = head.startswith(tuple(mark for mark, _ in BYTE_ORDER_MARKS))
    if not marked and any(byte < 32 and byte not in TEXT_CONTROLS for byte in head):
        raise Unreadable("unsupported_file", "the file is neither text nor a document of a known kind")
    extension = PurePath(filename).suffix.lower()
    if extension in NEVER_TEXT:
        raise Unreadable("corrupt", f"the file is named {extension}, but its content is not of that kind")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html")):
        return Kind.HTML
    named = (media_type or "").partition(";")[0].strip().lower()
    return BY_EXTENSION.get(extension) or BY_MEDIA_TYPE.get(named) or Kind.TEXT


def _detect_in_zip(path: Path) -> Kind:
    with zipfile.ZipFile(path) as archive:
        for part, kind in MAIN_PARTS.items():
            if part in archive.NameToInfo:
                return kind
        if "mimetype" in archive.NameToInfo:
            with archive.open("mimetype") as file:
                kind_named = OPEN_DOCUMENTS.get(file.read(100).decode("ascii", "replace").strip())
            if kind_named:
                return kind_named
    raise Unreadable("unsupported_file", "the file is an archive, but no document of a known kind")


def _detect_in_ole(path: Path) -> Kind:
    """The container of old Office documents and of encrypted new ones; the names in its directory tell them apart."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name, kind in OLE_STREAMS.items():
            if content.find(f"{name}\0".encode("utf-16-le")) >= 0:
                if kind is None:
                    raise Unreadable("encrypted", "the document asks for a password")
                return kind
    raise Unreadable("unsupported_file", "the file is of no known kind of Office document")

"""S3's XML, written and read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree

from handlers.core.s3.faults import S3Fault

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MEDIA_TYPE = "application/xml"
SPECIAL = re.compile(r"[&<>\"\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

Value: TypeAlias = "str | int | bool | Sequence[Field]"
Field: TypeAlias = "tuple[str, Value | None]"
"""A name and what the element holds; None leaves the element out."""


def write(root: str, fields: Iterable[Field], *, namespace: str | None = NAMESPACE) -> bytes:
    opening = f'<{root} xmlns="{namespace}">' if namespace else f"<{root}>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}{_fields(fields)}</{root}>'.encode("utf-8", "replace")


def _fields(fields: Iterable[Field]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in fields if value is not None)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return SPECIAL.sub(lambda found: ENTITIES.get(found[0], f"&#x{ord(found[0]):X};"), value)
    return str(value) if isinstance(value, int) else _fields(value)


class Element:
    """One element read, its namespace left aside."""

    def __init__(self, element: ElementTree.Element) -> None:
        self._element = element

    @property
    def name(self) -> str:
        return _local(self._element.tag)

    def all(self, name: str) -> list[Element]:
        return [Element(child) for child in self._element if _local(child.tag) == name]

    def text(self, name: str) -> str | None:
        """That of the child of this name; None when there is none."""
        found = next((child for child in self._element if _local(child.tag) == name), None)
        return None if found is None else found.text or ""

    def texts(self) -> dict[str, str]:
        return {_local(child.tag): child.text or "" for child in self._element}


async def read(content: bytes, root: str) -> Element:
    """Raises `S3Fault` (`MalformedXML`), also for a document with declarations of its own: none of S3's has any."""
    if b"<!" in content or b"\0" in content:
        raise _malformed()
    try:
        element = Element(await asyncio.to_thread(ElementTree.fromstring, content))
    except (ElementTree.ParseError, ValueError, LookupError):
        raise _malformed() from None
    if element.name != root:
        raise _malformed()
    return element


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _malformed() -> S3Fault:
    return S3Fault("MalformedXML", "the XML is not well-formed, or not of the kind that is wanted here")

"""Text as bytes: its encoding, and the tidying that all text goes through."""

from __future__ import annotations

import codecs
import re

from providers.errors import Unreadable

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""A mark of UTF-32 begins with one of UTF-16."""

CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
META_CHARSET = re.compile(rf"<meta[^>]{{0,200}}?{CHARSET.pattern}", re.IGNORECASE)
HEAD_BYTES = 4096
LINE_ENDS = re.compile(r"\r\n?|[\x85\u2028\u2029]")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.", re.DOTALL)


def decode(content: bytes, media_type: str | None, *, is_html: bool = False) -> str:
    """By byte order mark, by the charset that the sender or an HTML page names, or else UTF-8, and never by guess:
    a wrong guess is found by nobody. Raises `Unreadable`."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode(content[len(mark) :], encoding)
    return _decode(content, _declared(content, media_type, is_html))


def tidy(text: str) -> str:
    """Ends every line with a line feed and leaves out what is neither text nor white space."""
    return CONTROLS.sub("", LINE_ENDS.sub("\n", text))


def unescape_json(text: str) -> str:
    r"""JSON as it is written, but with the characters that `\uXXXX` stands for, so that they can be found."""
    return ESCAPES.sub(_unescape, text) if "\\u" in text else text


def _declared(content: bytes, media_type: str | None, is_html: bool) -> str:
    """Falls back to UTF-8 where the name is of no encoding that turns bytes into text: `zip` is a codec too."""
    named = CHARSET.search(media_type or "")
    if named is None and is_html:
        named = META_CHARSET.search(content[:HEAD_BYTES].decode("ascii", "replace"))
    try:
        encoding = codecs.lookup(named[1] if named else "utf-8")
    except LookupError:
        return "utf-8"
    return encoding.name if encoding._is_text_encoding else "utf-8"


def _decode(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"the text is not valid {encoding.upper()}: byte {error.start}, in line {line}"
        raise Unreadable("corrupt", message) from None


def _unescape(found: re.Match[str]) -> str:
    written = found[0]
    if len(written) == 2:
        return written
    units = [int(digits, 16) for digits in written.split("\\u")[1:]]
    characters = b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "replace")
    return written if any(c in '"\\' or c < " " for c in characters) else characters

"""A multipart form read while it arrives, for files that are too large to be kept anywhere but where they belong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from handlers.core.errors import Invalid
from handlers.wire.upload import StreamedForm
from server.openapi31.bodies import MAX_FIELDS, put_field
from server.request import Request

FILE = "file"
PIECE_BYTES = 1_048_576
MAX_TEXT_BYTES = 1_048_576
"""Of all fields beside the file together."""

Judge = Callable[[dict[str, Any]], dict[str, Any]]


async def gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of about `PIECE_BYTES`: whoever writes them does it in a thread, which has its cost."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


async def open_form(request: Request, chunks: AsyncIterator[bytes], judge: Judge) -> StreamedForm:
    """Reads up to the file. `judge` holds the fields, the file among them as text, against the document and answers
    them as it types them. Raises `Invalid`, and what `chunks` raises."""
    reader = _Reader(request.headers["content-type"], chunks)
    while reader.filename is None and await reader.advance():
        pass
    if reader.filename is None:
        judge(reader.fields)
        raise Invalid("the form holds no file", param=FILE)
    return StreamedForm(reader.filename, reader.media_type, reader.fields, gathered(reader.content(judge)))


class _Reader:
    """`filename` is None until the file has begun."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        self.filename: str | None = None
        self.media_type = ""
        self.fields: dict[str, Any] = {}
        self._chunks = chunks
        self._options = parse_options_header
        self._malformed = FormParserError
        self._pieces: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._name: str | None = None
        self._text = b""
        self._text_bytes = self._count = 0
        self._is_complete = False
        callbacks: Any = {
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_part,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _malformed(error) from None

    async def advance(self) -> bool:
        """Takes in what arrives next; False when that is the end."""
        chunk = await anext(self._chunks, None)
        if chunk is None:
            if not self._is_complete:
                raise _malformed("it has no end")
            return False
        try:
            self._parser.write(chunk)
        except self._malformed as error:
            raise _malformed(error) from None
        return True

    async def content(self, judge: Judge) -> AsyncIterator[bytes]:
        """The file, from its first byte; the last one comes when the whole form is read."""
        is_more = True
        while is_more:
            for piece in self._take():
                yield piece
            is_more = await self.advance()
        typed = judge({**self.fields, FILE: ""})
        self.fields.update((name, value) for name, value in typed.items() if name != FILE)

    def _take(self) -> list[bytes]:
        taken, self._pieces = self._pieces, []
        return taken

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _on_part(self) -> None:
        disposition, options = self._options(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise _malformed("a part has no name")
        name = _decode(options[b"name"])
        media_type, self._headers = self._headers.get(b"content-type", b""), {}
        self._count += 1
        if self._count > MAX_FIELDS:
            raise _malformed(f"it has more than {MAX_FIELDS} fields")
        if name != FILE:
            if b"filename" in options:
                raise Invalid(f"the form may hold one file, {FILE}, and none as {name!r}", param=name)
            self._name = name
            return
        if self.filename is not None:
            raise Invalid("the form holds several files", param=FILE)
        self._name = None
        self.filename = _decode(options.get(b"filename", b"")) or "upload"
        self.media_type = media_type.decode("latin-1").strip()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is None:
            self._pieces.append(data[start:end])
            return
        self._text_bytes += end - start
        if self._text_bytes > MAX_TEXT_BYTES:
            raise Invalid("the form's fields are too large", param=self._name)
        self._text += data[start:end]

    def _on_part_end(self) -> None:
        if self._name is not None:
            put_field(self.fields, self._name, _decode(self._text))
        self._name, self._text = None, b""

    def _on_end(self) -> None:
        self._is_complete = True


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _malformed("a name or field is not UTF-8") from None


def _malformed(reason: object) -> Invalid:
    return Invalid(f"malformed multipart body: {reason}", code="malformed_multipart")

"""Finding captured messages by their words, and reading those of one request: for administrators alone."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from handlers.core.call import Call
from handlers.core.capture.policy import Policy
from handlers.core.errors import Invalid, NotFound
from storage.captured import CapturedMessage
from storage.ledger_record import Record
from storage.repositories.captured import Hit, Phrase, Search

__all__ = ["Captured", "CapturedMessage", "Found", "Search", "read_captured", "search"]

MOST_HITS = 1000
"""A search answers its best so many, over all its pages."""
MOST_WORDS = 32
LONGEST_WORD = 200
BEFORE_CHARS, AFTER_CHARS = 60, 180
WORD = re.compile(r"[^\W_]+")
QUOTED = re.compile(r'"([^"]*)"|([^"\s]+)|"')
ENTRY = struct.Struct("<qf")


@dataclass(frozen=True, slots=True)
class Found:
    """`snippet` is HTML with what was looked for in `<mark>`."""

    message: CapturedMessage
    score: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Captured:
    """What is kept of a request; `policy` is what holds for its project now."""

    record: Record
    messages: Sequence[CapturedMessage]
    policy: Policy


async def search(
    text: str, wanted: Search, limit: int, cursor: str | None, call: Call
) -> tuple[list[Found], str | None]:
    """A page of the messages that hold all of `text`'s words (those in quotes one behind the other), the best first,
    and the cursor of the next. The phrases of `wanted` are those of `text`.

    A cursor holds the hits that are still to come, so that messages which are kept meanwhile shift none of them.
    """
    phrases = read_phrases(text)
    hits = _unpack(cursor) if cursor is not None else await _search(replace(wanted, phrases=phrases), call)
    page, rest = hits[:limit], hits[limit:]
    known = await call.services.capture.messages.get([hit.id for hit in page])
    found = await asyncio.to_thread(_show, [(known[hit.id], hit) for hit in page if hit.id in known], phrases)
    return found, _pack(rest) if rest else None


async def read_captured(request_id: str, call: Call) -> Captured:
    """Of any project. Raises `NotFound` for a request that there is not."""
    capture = call.services.capture
    record = None if "\0" in request_id else await capture.requests.find(request_id)
    if record is None or record.project_id is None:
        raise NotFound(f"there is no request {request_id}", code="request_not_found")
    return Captured(record, await capture.messages.of_request(request_id), await capture.policies.of(record.project_id))


async def _search(wanted: Search, call: Call) -> list[Hit]:
    """`project_id` may also be a slug."""
    capture = call.services.capture
    given = (wanted.project_id, wanted.role, wanted.model)
    if not wanted.phrases or any("\0" in value for value in given if value is not None):
        return []
    if wanted.project_id is not None:
        project = await capture.policies.projects.find(wanted.project_id)
        wanted = replace(wanted, project_id=project.id if project else wanted.project_id)
    return await capture.messages.search(wanted, MOST_HITS)


def read_phrases(text: str) -> list[Phrase]:
    """Words are letters and digits; whatever else a text holds parts them. Raises `Invalid`."""
    phrases: list[Phrase] = []
    for quoted, bare in QUOTED.findall(text):
        words = WORD.findall(quoted or bare)
        if words:
            phrases += [tuple(words)]
    words = [word for phrase in phrases for word in phrase]
    if len(words) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in words):
        message = f"a search is for at most {MOST_WORDS} words of at most {LONGEST_WORD} characters"
        raise Invalid(message, code="query_too_long", param="q")
    return phrases


def _show(hits: Sequence[tuple[CapturedMessage, Hit]], phrases: Sequence[Phrase]) -> list[Found]:
    return [Found(message, hit.score, snippet(message.content, phrases)) for message, hit in hits]


def snippet(content: str, phrases: Sequence[Phrase]) -> str:
    """The part of a text around the first of the words, as HTML with all of them marked."""
    wanted = {word.casefold() for phrase in phrases for word in phrase}
    first = next((match for match in WORD.finditer(content) if match[0].casefold() in wanted), None)
    middle = first.start() if first else 0
    start, end = max(0, middle - BEFORE_CHARS), middle + AFTER_CHARS
    part = content[start:end]
    pieces, place = ["…" if start else ""], 0
    for match in WORD.finditer(part):
        if match[0].casefold() in wanted:
            pieces += [escape(part[place : match.start()]), f"<mark>{match[0]}</mark>"]
            place = match.end()
    return "".join([*pieces, escape(part[place:]), "…" if end < len(content) else ""])


def _pack(hits: Sequence[Hit]) -> str:
    return urlsafe_b64encode(zlib.compress(b"".join(ENTRY.pack(hit.id, hit.score) for hit in hits))).decode()


def _unpack(cursor: str) -> list[Hit]:
    """Raises `Invalid` for what is no cursor of ours."""
    try:
        unpacking = zlib.decompressobj()
        packed = unpacking.decompress(b64decode(cursor, b"-_", validate=True), MOST_HITS * ENTRY.size)
        if unpacking.eof:
            return [Hit(*entry) for entry in ENTRY.iter_unpack(packed)]
    except (ValueError, zlib.error, struct.error):
        pass
    raise Invalid("this is no cursor of a search", code="invalid_cursor", param="cursor")

"""What requests to the S3 gateway have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from codegen.operation import Body
from handlers.core.call import Call
from handlers.core.s3 import ObjectStore, S3Fault
from handlers.core.s3.checksums import Summing, check
from handlers.wire.reply import Reply
from handlers.wire.s3 import headers as wire
from handlers.wire.s3 import xml
from handlers.wire.upload import RawBody

EMPTY = b""
MAX_XML_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Asked:
    project_id: str
    query: dict[str, str]
    objects: ObjectStore


def begin(call: Call) -> Asked:
    """Counts the request. Raises `S3Fault` for a query that asks for what there is not here."""
    project_id, objects = call.caller.project_id, call.services.objects
    objects.count_request(project_id)
    return Asked(project_id, wire.query_of(call.query), objects)


def content_of(body: Body[Any]) -> AsyncIterator[bytes]:
    return body.data.chunks if isinstance(body.data, RawBody) else _nothing()


async def small_body(call: Call, body: Body[Any]) -> bytes:
    """All of it, held against the checksums that came along."""
    new = wire.new_object("", "", call.headers)
    summing, pieces, size = Summing(new.algorithms), [], 0
    async for piece in content_of(body):
        size += len(piece)
        if size > MAX_XML_BYTES:
            raise S3Fault("MalformedXML", f"the XML is larger than {MAX_XML_BYTES} bytes")
        await summing.update(piece)
        pieces.append(piece)
    if new.content_md5 not in (None, summing.md5.hex()):
        raise S3Fault("BadDigest", "the Content-MD5 you specified did not match the content")
    check({name: new.expect()[name] for name in summing.checksums if name in new.expect()}, summing.checksums)
    return b"".join(pieces)


def xml_reply(content: bytes, call: Call) -> Reply:
    return Reply(content, 200, {"x-amz-request-id": call.request_id}, xml.MEDIA_TYPE)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield

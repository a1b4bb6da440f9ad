"""Objects, as S3's clients put and get them. What a request is about is in its query and headers, too: the same PUT
stores an object, copies one, or stores a part of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace

from codegen.generated.ipop.routes import (
    S3ObjectsDeleteParams,
    S3ObjectsGetParams,
    S3ObjectsHeadParams,
    S3ObjectsPostBody,
    S3ObjectsPostParams,
    S3ObjectsPutBody,
    S3ObjectsPutParams,
)
from handlers.core.call import Call
from handlers.core.s3 import Described, NewObject, S3Fault, S3Object, Uploads
from handlers.ipop.s3_requests import EMPTY, Asked, begin, content_of, small_body, xml_reply
from handlers.wire.reply import ByteStream, Reply
from handlers.wire.s3 import headers as wire
from handlers.wire.s3 import multipart, xml
from handlers.wire.s3.times import iso


async def s3_objects_get(params: S3ObjectsGetParams, call: Call) -> Reply | ByteStream:
    asked = begin(call)
    if "uploadId" in asked.query:
        upload = await _uploads(asked).get(asked.project_id, params.bucket, params.key, asked.query["uploadId"])
        after, most = multipart.parts_page(asked.query)
        parts = await _uploads(asked).parts(upload)
        return xml_reply(multipart.write_parts(upload, parts, after, most), call)
    found = await asked.objects.get(asked.project_id, params.bucket, params.key)
    return await _answer(found, asked, call, is_head=False)


async def s3_objects_head(params: S3ObjectsHeadParams, call: Call) -> ByteStream:
    asked = begin(call)
    found = await asked.objects.get(asked.project_id, params.bucket, params.key)
    return await _answer(found, asked, call, is_head=True)


async def s3_objects_put(params: S3ObjectsPutParams, body: S3ObjectsPutBody, call: Call) -> Reply:
    asked = begin(call)
    source = call.headers.get("x-amz-copy-source")
    if "uploadId" in asked.query:
        return await _put_part(params, body, asked, call)
    guard = wire.write_guard(call.headers)
    new = wire.new_object(params.bucket, params.key, call.headers, guard)
    if source is not None:
        return await _copy(source, new, asked, call)
    made = await asked.objects.put(asked.project_id, new, content_of(body))
    sums = wire.checksum_headers(made.checksums, made.checksum_type)
    return _done(200, call, {"etag": f'"{made.etag}"', **sums})


async def s3_objects_delete(params: S3ObjectsDeleteParams, call: Call) -> Reply:
    asked = begin(call)
    if "uploadId" in asked.query:
        uploads = _uploads(asked)
        upload = await uploads.get(asked.project_id, params.bucket, params.key, asked.query["uploadId"])
        await uploads.abort(upload)
    else:
        guard = wire.write_guard(call.headers)
        await asked.objects.delete(asked.project_id, params.bucket, [params.key], guard)
    return _done(204, call)


async def s3_objects_post(params: S3ObjectsPostParams, body: S3ObjectsPostBody, call: Call) -> Reply:
    """Begins and completes multipart uploads."""
    asked = begin(call)
    if "uploads" in asked.query:
        return await _begin_upload(params, asked, call)
    if "uploadId" not in asked.query:
        raise S3Fault("InvalidRequest", "a POST must name an upload, or begin one")
    uploads, upload_id = _uploads(asked), asked.query["uploadId"]
    completion = await multipart.read_completion(await small_body(call, body), call.headers)
    try:
        upload = await uploads.get(asked.project_id, params.bucket, params.key, upload_id)
        made = await uploads.complete(upload, completion)
    except S3Fault as fault:
        again = await uploads.completed(asked.project_id, params.bucket, params.key, upload_id)
        if fault.code != "NoSuchUpload" or again is None:
            raise
        made = again
    location = f"{call.services.base_paths['ipop']}/storage/s3/{params.bucket}/{params.key}"
    return xml_reply(multipart.write_completed(made, location), call)


async def _begin_upload(params: S3ObjectsPostParams, asked: Asked, call: Call) -> Reply:
    new = wire.new_object(params.bucket, params.key, call.headers)
    algorithm, kind = multipart.checksum_choice(call.headers)
    upload = await _uploads(asked).create(asked.project_id, new, algorithm, kind)
    reply = xml_reply(multipart.write_begun(upload), call)
    if algorithm is None:
        return reply
    sums = {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": upload.checksum_type}
    return replace(reply, headers={**reply.headers, **sums})


async def _put_part(params: S3ObjectsPutParams, body: S3ObjectsPutBody, asked: Asked, call: Call) -> Reply:
    uploads = _uploads(asked)
    upload = await uploads.get(asked.project_id, params.bucket, params.key, asked.query["uploadId"])
    number = wire.number_of(asked.query, "partNumber", 0, 10**9)
    new = wire.new_object(params.bucket, params.key, call.headers)
    source = call.headers.get("x-amz-copy-source")
    if source is not None:
        content = await _source_content(source, asked, call)
        part = await uploads.put_part(upload, number, replace(new, expect=dict, content_md5=None), content)
        fields: list[xml.Field] = [("LastModified", iso(part.modified_us)), ("ETag", f'"{part.etag}"')]
        return xml_reply(xml.write("CopyPartResult", [*fields, *multipart.checksum_fields(part.checksums)]), call)
    part = await uploads.put_part(upload, number, new, content_of(body))
    return _done(200, call, {"etag": f'"{part.etag}"', **wire.checksum_headers(part.checksums)})


async def _copy(source: str, new: NewObject, asked: Asked, call: Call) -> Reply:
    found = await _source(source, asked, call)
    directive = call.headers.get("x-amz-metadata-directive", "COPY").upper()
    if directive not in ("COPY", "REPLACE"):
        raise S3Fault("InvalidArgument", "x-amz-metadata-directive is COPY or REPLACE")
    if directive == "COPY":
        if (found.bucket, found.key) == (new.bucket, new.key):
            raise S3Fault("InvalidRequest", "a copy onto itself must change something: the directive REPLACE")
        new = replace(new, described=Described(found.headers, found.user_metadata))
    made = await asked.objects.copy(found, asked.project_id, new)
    fields: list[xml.Field] = [("LastModified", iso(made.modified_us)), ("ETag", f'"{made.etag}"')]
    return xml_reply(xml.write("CopyObjectResult", [*fields, *multipart.checksum_fields(made.checksums)]), call)


async def _source(source: str, asked: Asked, call: Call) -> S3Object:
    bucket, key = wire.copy_source(source)
    found = await asked.objects.get(asked.project_id, bucket, key)
    wire.check_source(found, call.headers)
    return found


async def _source_content(source: str, asked: Asked, call: Call) -> AsyncIterator[bytes]:
    found = await _source(source, asked, call)
    wanted = call.headers.get("x-amz-copy-source-range")
    if wanted is None:
        return await asked.objects.open(found)
    window = wire.read_range(found, {"range": wanted})
    if window is None or wanted != f"bytes={window[0]}-{window[1] - 1}":
        raise S3Fault("InvalidRange", "x-amz-copy-source-range must be bytes=first-last, within the source")
    return await asked.objects.open(found, *window)


async def _answer(found: S3Object, asked: Asked, call: Call, *, is_head: bool) -> ByteStream:
    if wire.is_unchanged(found, call.headers):
        return ByteStream(_nothing(), 0, wire.OCTETS, 304, _headers(found, asked, call, whole=False))
    window = wire.read_range(found, call.headers)
    if "partNumber" in asked.query and window is None:
        number = wire.number_of(asked.query, "partNumber", 0, 10**9)
        window = await asked.objects.part_range(found, number)
    start, stop = window or (0, found.size_bytes)
    headers = _headers(found, asked, call, whole=window is None)
    if window is not None:
        headers["content-range"] = f"bytes {start}-{max(stop - 1, start)}/{found.size_bytes}"
    if "partNumber" in asked.query and found.part_count > 1:
        headers["x-amz-mp-parts-count"] = str(found.part_count)
    chunks = _nothing() if is_head else _closing(await asked.objects.open(found, start, stop))
    media_type = wire.content_type(found, asked.query)
    return ByteStream(chunks, stop - start, media_type, 200 if window is None else 206, headers)


def _headers(found: S3Object, asked: Asked, call: Call, *, whole: bool) -> dict[str, str]:
    with_checksums = whole and call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    answer = wire.object_headers(found, asked.query, with_checksums=with_checksums)
    return {**answer, "x-amz-request-id": call.request_id}


def _done(status: int, call: Call, headers: Mapping[str, str] | None = None) -> Reply:
    """Without a body: what S3's clients would make of one is anybody's guess."""
    return Reply(EMPTY, status, {**(headers or {}), "x-amz-request-id": call.request_id}, media_type="")


def _uploads(asked: Asked) -> Uploads:
    return Uploads(asked.objects)


async def _closing(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(chunks) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            yield piece


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield

"""Buckets, and what S3's clients ask of them, which IPOP's document leaves out."""

from __future__ import annotations

from codegen.generated.ipop.routes import (
    S3BucketsCreateBody,
    S3BucketsCreateParams,
    S3BucketsDeleteParams,
    S3BucketsGetParams,
    S3BucketsHeadParams,
    S3BucketsPostBody,
    S3BucketsPostParams,
)
from handlers.core.call import Call
from handlers.core.s3 import Listing, S3Fault, Uploads
from handlers.ipop.s3_requests import EMPTY, Asked, begin, small_body, xml_reply
from handlers.wire.reply import Reply
from handlers.wire.s3 import headers as wire
from handlers.wire.s3 import listings, xml


async def s3_buckets_list(call: Call) -> Reply:
    asked = begin(call)
    most = wire.number_of(asked.query, "max-buckets", listings.MAX_KEYS, listings.MAX_KEYS)
    prefix, after = asked.query.get("prefix", ""), listings.read_after(asked.query)
    if "\0" in prefix + after:
        raise S3Fault("InvalidArgument", "names hold no NUL")
    found = await asked.objects.rows.buckets(asked.project_id, prefix, after, most + 1)
    shown = found[:most]
    last = shown[-1].name if shown and len(found) > most else None
    return xml_reply(listings.write_buckets(asked.project_id, shown, prefix, last), call)


async def s3_buckets_create(params: S3BucketsCreateParams, body: S3BucketsCreateBody, call: Call) -> Reply:
    """Where it is to be is read and not minded: there is one place."""
    asked = begin(call)
    wire.check_supported(call.headers)
    content = await small_body(call, body)
    if content:
        await xml.read(content, "CreateBucketConfiguration")
    await asked.objects.create_bucket(asked.project_id, params.bucket)
    return _done(200, call, location=f"/{params.bucket}")


async def s3_buckets_head(params: S3BucketsHeadParams, call: Call) -> Reply:
    asked = begin(call)
    await asked.objects.bucket(asked.project_id, params.bucket)
    return _done(200, call)


async def s3_buckets_delete(params: S3BucketsDeleteParams, call: Call) -> Reply:
    asked = begin(call)
    await asked.objects.delete_bucket(asked.project_id, params.bucket)
    return _done(204, call)


async def s3_buckets_get(params: S3BucketsGetParams, call: Call) -> Reply:
    """Objects, or what the query asks for instead."""
    asked = begin(call)
    if "uploads" in asked.query:
        return await _list_uploads(params.bucket, asked, call)
    for name, root in (("location", "LocationConstraint"), ("versioning", "VersioningConfiguration")):
        if name in asked.query:
            await asked.objects.bucket(asked.project_id, params.bucket)
            return xml_reply(xml.write(root, []), call)
    wanted = listings.wanted(asked.query)
    listings.encoder(asked.query)
    page = await Listing(asked.objects).page(asked.project_id, params.bucket, wanted)
    return xml_reply(listings.write_objects(params.bucket, asked.query, wanted, page), call)


async def s3_buckets_post(params: S3BucketsPostParams, body: S3BucketsPostBody, call: Call) -> Reply:
    """Deletes many objects at once."""
    asked = begin(call)
    if "delete" not in asked.query:
        raise S3Fault("InvalidRequest", "a POST to a bucket deletes: ?delete")
    keys, is_quiet = await listings.read_deletion(await small_body(call, body))
    await asked.objects.delete(asked.project_id, params.bucket, keys)
    return xml_reply(listings.write_deletion(keys, is_quiet), call)


async def _list_uploads(bucket: str, asked: Asked, call: Call) -> Reply:
    await asked.objects.bucket(asked.project_id, bucket)
    after, most = listings.uploads_page(asked.query)
    prefix = asked.query.get("prefix", "")
    found = await Uploads(asked.objects).rows.list(asked.project_id, bucket, prefix, after, most + 1)
    return xml_reply(listings.write_uploads(bucket, asked.query, found, most), call)


def _done(status: int, call: Call, **headers: str) -> Reply:
    return Reply(EMPTY, status, {**headers, "x-amz-request-id": call.request_id}, media_type="")

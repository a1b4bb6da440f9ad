"""Lists of buckets, objects and uploads in XML, and lists of what to delete."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from handlers.core.s3 import Page, S3Bucket, S3Fault, S3Object, S3Upload, Wanted
from handlers.wire.s3 import xml
from handlers.wire.s3.headers import number_of
from handlers.wire.s3.times import iso

MAX_KEYS = 1000
OWNER: str = "Owner"


def is_second(query: Mapping[str, str]) -> bool:
    """Whether a list is asked for in S3's second manner."""
    kind = query.get("list-type")
    if kind not in (None, "2"):
        raise S3Fault("InvalidArgument", "list-type is 2")
    return kind == "2"


def wanted(query: Mapping[str, str]) -> Wanted:
    if is_second(query):
        token = query.get("continuation-token")
        after = query.get("start-after", "") if token is None else _read_token(token)
    else:
        after = query.get("marker", "")
    for text in (after, query.get("prefix", ""), query.get("delimiter", "")):
        if "\0" in text:
            raise S3Fault("InvalidArgument", "keys hold no NUL")
    limit = number_of(query, "max-keys", MAX_KEYS, MAX_KEYS)
    return Wanted(query.get("prefix", ""), query.get("delimiter", ""), after, limit)


def write_objects(bucket: str, query: Mapping[str, str], asked: Wanted, page: Page) -> bytes:
    code = encoder(query)
    fields: list[xml.Field] = [("Name", bucket), ("Prefix", code(asked.prefix))]
    if is_second(query):
        fields += [
            ("KeyCount", len(page.entries)),
            ("ContinuationToken", query.get("continuation-token")),
            ("NextContinuationToken", None if page.last is None else _token(page.last)),
            ("StartAfter", code(query["start-after"]) if "start-after" in query else None),
        ]
    else:
        fields += [
            ("Marker", code(asked.after)),
            ("NextMarker", None if page.last is None else code(page.last)),
        ]
    fields += [
        ("MaxKeys", asked.limit),
        ("Delimiter", code(asked.delimiter) if asked.delimiter else None),
        ("EncodingType", query.get("encoding-type") or None),
        ("IsTruncated", page.last is not None),
    ]
    has_owner = not is_second(query) or query.get("fetch-owner") == "true"
    fields += [("Contents", _object(one, code, has_owner)) for one in page.objects]
    fields += [("CommonPrefixes", [("Prefix", code(prefix))]) for prefix in page.prefixes]
    return xml.write("ListBucketResult", fields)


def _object(one: S3Object, code: Callable[[str], str], has_owner: bool) -> list[xml.Field]:
    fields: list[xml.Field] = [
        ("Key", code(one.key)),
        ("LastModified", iso(one.modified_us)),
        ("ETag", f'"{one.etag}"'),
        *[("ChecksumAlgorithm", name.upper()) for name in one.checksums],
        ("ChecksumType", one.checksum_type if one.checksums else None),
        ("Size", one.size_bytes),
        ("StorageClass", "STANDARD"),
    ]
    return [*fields, owner(one.project_id)] if has_owner else fields


def write_buckets(project_id: str, buckets: Sequence[S3Bucket], prefix: str, last: str | None) -> bytes:
    listed: list[xml.Field] = [
        ("Bucket", [("Name", bucket.name), ("CreationDate", iso(bucket.created_us))]) for bucket in buckets
    ]
    fields: list[xml.Field] = [
        owner(project_id),
        ("Buckets", listed),
        ("ContinuationToken", None if last is None else _token(last)),
        ("Prefix", prefix or None),
    ]
    return xml.write("ListAllMyBucketsResult", fields)


def read_after(query: Mapping[str, str]) -> str:
    token = query.get("continuation-token")
    return "" if token is None else _read_token(token)


def uploads_page(query: Mapping[str, str]) -> tuple[tuple[str, str] | None, int]:
    """Behind which key and id, and how many."""
    key, upload_id = query.get("key-marker", ""), query.get("upload-id-marker", "")
    if "\0" in key + upload_id + query.get("prefix", ""):
        raise S3Fault("InvalidArgument", "keys hold no NUL")
    after = (key, upload_id or "\U0010ffff") if key else None
    return after, number_of(query, "max-uploads", MAX_KEYS, MAX_KEYS)


def write_uploads(bucket: str, query: Mapping[str, str], uploads: Sequence[S3Upload], most: int) -> bytes:
    code, shown = encoder(query), uploads[:most]
    fields: list[xml.Field] = [
        ("Bucket", bucket),
        ("KeyMarker", code(query.get("key-marker", ""))),
        ("UploadIdMarker", query.get("upload-id-marker", "")),
        ("NextKeyMarker", code(shown[-1].key) if shown else None),
        ("NextUploadIdMarker", shown[-1].id if shown else None),
        ("Prefix", code(query.get("prefix", ""))),
        ("EncodingType", query.get("encoding-type") or None),
        ("MaxUploads", most),
        ("IsTruncated", len(uploads) > len(shown)),
    ]
    for upload in shown:
        described: list[xml.Field] = [
            ("Key", code(upload.key)),
            ("UploadId", upload.id),
            ("Initiated", iso(upload.initiated_us)),
            ("StorageClass", "STANDARD"),
            owner(upload.project_id),
        ]
        fields.append(("Upload", described))
    return xml.write("ListMultipartUploadsResult", fields)


async def read_deletion(content: bytes) -> tuple[list[str], bool]:
    """The keys, and whether only what goes wrong is to be told."""
    root = await xml.read(content, "Delete")
    keys = []
    for item in root.all("Object"):
        texts = item.texts()
        if texts.get("VersionId", "null") != "null" or "ETag" in texts:
            raise S3Fault("NotImplemented", "objects are deleted by their keys alone")
        if not texts.get("Key"):
            raise S3Fault("MalformedXML", "an object to delete has no key")
        keys.append(texts["Key"])
    if not 0 < len(keys) <= MAX_KEYS:
        raise S3Fault("MalformedXML", f"1 to {MAX_KEYS} objects can be deleted at once")
    return keys, root.text("Quiet") == "true"


def write_deletion(keys: Sequence[str], is_quiet: bool) -> bytes:
    return xml.write("DeleteResult", [] if is_quiet else [("Deleted", [("Key", key)]) for key in keys])


def owner(project_id: str) -> xml.Field:
    return OWNER, [("ID", project_id), ("DisplayName", project_id)]


def encoder(query: Mapping[str, str]) -> Callable[[str], str]:
    """How keys are written: XML has no way to write some characters that keys may hold."""
    kind = query.get("encoding-type", "")
    if kind not in ("", "url"):
        raise S3Fault("InvalidArgument", "encoding-type is url")
    return (lambda text: quote(text, safe="/-_.~")) if kind else str


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise S3Fault("InvalidArgument", "the continuation token is not one of ours") from None

"""Multipart uploads in XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.core.s3 import Completion, PartClaim, S3Fault, S3Object, S3Part, S3Upload
from handlers.core.s3.checksums import ALGORITHMS, COMPOSITE, FULL
from handlers.wire.s3 import xml
from handlers.wire.s3.headers import number_of, sent_checksums, write_guard
from handlers.wire.s3.times import iso

MAX_PAGE = 1000
ELEMENTS = {f"Checksum{name.upper()}": name for name in ALGORITHMS}


def checksum_choice(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Algorithm and type, as an upload is begun with them."""
    algorithm = headers.get("x-amz-checksum-algorithm", "").lower() or None
    kind = headers.get("x-amz-checksum-type", "").upper() or None
    if algorithm not in (None, *ALGORITHMS) or kind not in (None, FULL, COMPOSITE):
        raise S3Fault("InvalidRequest", "the checksum's algorithm or type is none that is known here")
    if kind == COMPOSITE and algorithm == "crc64nvme":
        raise S3Fault("InvalidRequest", "crc64nvme is made of a whole object only")
    return algorithm, kind


def checksum_fields(checksums: Mapping[str, str]) -> list[xml.Field]:
    return [(f"Checksum{name.upper()}", value) for name, value in checksums.items()]


def write_begun(upload: S3Upload) -> bytes:
    fields: list[xml.Field] = [("Bucket", upload.bucket), ("Key", upload.key), ("UploadId", upload.id)]
    return xml.write("InitiateMultipartUploadResult", fields)


async def read_completion(content: bytes, headers: Mapping[str, str]) -> Completion:
    root = await xml.read(content, "CompleteMultipartUpload")
    size = headers.get("x-amz-mp-object-size", "")
    if size and not (size.isdecimal() and size.isascii()):
        raise S3Fault("InvalidArgument", "x-amz-mp-object-size must be a whole number")
    claims = [_claim(part.texts()) for part in root.all("Part")]
    return Completion(claims, sent_checksums(headers), int(size[:20]) if size else None, write_guard(headers))


def _claim(texts: Mapping[str, str]) -> PartClaim:
    number = number_of(texts, "PartNumber", 0, 10**9)
    sums = {ELEMENTS[name]: value for name, value in texts.items() if name in ELEMENTS}
    return PartClaim(number, texts.get("ETag", "").strip('"'), sums)


def write_completed(made: S3Object, location: str) -> bytes:
    fields: list[xml.Field] = [
        ("Location", location),
        ("Bucket", made.bucket),
        ("Key", made.key),
        ("ETag", f'"{made.etag}"'),
        *checksum_fields(made.checksums),
    ]
    if made.checksums:
        fields.append(("ChecksumType", made.checksum_type))
    return xml.write("CompleteMultipartUploadResult", fields)


def parts_page(query: Mapping[str, str]) -> tuple[int, int]:
    return number_of(query, "part-number-marker", 0, 10**9), number_of(query, "max-parts", MAX_PAGE, MAX_PAGE)


def write_parts(upload: S3Upload, parts: Sequence[S3Part], after: int, most: int) -> bytes:
    behind = [part for part in parts if part.number > after]
    shown = behind[:most]
    fields: list[xml.Field] = [
        ("Bucket", upload.bucket),
        ("Key", upload.key),
        ("UploadId", upload.id),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", shown[-1].number if shown else 0),
        ("MaxParts", most),
        ("IsTruncated", len(behind) > len(shown)),
        ("StorageClass", "STANDARD"),
    ]
    if upload.checksum_algorithm:
        fields += [("ChecksumAlgorithm", upload.checksum_algorithm.upper()), ("ChecksumType", upload.checksum_type)]
    for part in shown:
        described: list[xml.Field] = [
            ("PartNumber", part.number),
            ("LastModified", iso(part.modified_us)),
            ("ETag", f'"{part.etag}"'),
            ("Size", part.size_bytes),
            *checksum_fields(part.checksums),
        ]
        fields.append(("Part", described))
    return xml.write("ListPartsResult", fields)

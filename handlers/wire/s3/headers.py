"""Headers of requests and answers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import parse_qsl, unquote

from handlers.core.s3 import Described, Guard, NewObject, S3Fault, S3Object
from handlers.core.s3.checksums import ALGORITHMS, valid
from handlers.core.s3.store import allow

KEPT = (
    "content-type", "content-disposition", "content-encoding", "content-language", "cache-control", "expires",
)  # fmt: skip
OVERRIDES = {f"response-{name}": name for name in KEPT}
META, CHECKSUM = "x-amz-meta-", "x-amz-checksum-"
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
REFUSED = (
    "x-amz-tagging", "x-amz-object-lock-", "x-amz-server-side-encryption", "x-amz-website-redirect-location",
    "x-amz-grant-", "x-amz-copy-source-server-side-encryption", "x-amz-write-offset-bytes", "x-amz-mfa",
)  # fmt: skip
HARMLESS_ACLS = ("private", "bucket-owner-full-control", "bucket-owner-read")
SUBRESOURCES = {
    "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
    "legal-hold", "lifecycle", "logging", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
    "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "versions", "website",
}  # fmt: skip
OCTETS = "binary/octet-stream"


def query_of(query: str) -> dict[str, str]:
    """Raises `S3Fault` for what is not UTF-8, and for what there is none of here."""
    try:
        found = dict(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise S3Fault("InvalidURI", "the query is not valid") from None
    strangers = sorted(SUBRESOURCES.intersection(found))
    if strangers:
        raise S3Fault("NotImplemented", f"there is no {strangers[0]} here")
    if found.get("versionId", "null") != "null":
        raise S3Fault("NoSuchVersion", "there are no versions here")
    return found


def check_supported(headers: Mapping[str, str]) -> None:
    """Raises `S3Fault` for headers that ask for what would not be done."""
    for name in headers:
        if name.startswith(REFUSED):
            raise S3Fault("NotImplemented", f"{name} is not served here")
    if headers.get("x-amz-acl", "private") not in HARMLESS_ACLS:
        raise S3Fault("NotImplemented", "nothing is public here")


def described(headers: Mapping[str, str]) -> Described:
    kept = {name: headers[name] for name in KEPT if headers.get(name)}
    coding = [part.strip() for part in kept.pop("content-encoding", "").split(",")]
    if left := ",".join(part for part in coding if part and part != "aws-chunked"):
        kept["content-encoding"] = left
    meta = {name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)}
    return Described(kept, meta)


def new_object(bucket: str, key: str, headers: Mapping[str, str], guard: Guard = allow) -> NewObject:
    """Raises `S3Fault`. `headers` are looked at again when the body has been read."""
    check_supported(headers)
    behind = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
    named = {name.removeprefix(CHECKSUM) for name in (*headers, *behind) if name.startswith(CHECKSUM)}
    named.add((headers.get("x-amz-sdk-checksum-algorithm") or "").lower())
    return NewObject(
        bucket=bucket,
        key=key,
        described=described(headers),
        algorithms=[name for name in ALGORITHMS if name in named],
        expect=_expectation(headers, behind),
        content_md5=_md5(headers.get("content-md5")),
        guard=guard,
    )


def _expectation(headers: Mapping[str, str], behind: list[str]) -> Callable[[], Mapping[str, str]]:
    def expect() -> Mapping[str, str]:
        for name in behind:
            if name.startswith(CHECKSUM) and name not in headers:
                raise S3Fault("InvalidRequest", f"{name} was announced and did not follow the body")
        return sent_checksums(headers)

    return expect


def sent_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """By algorithm. Raises `S3Fault`."""
    found = {name: headers[CHECKSUM + name] for name in ALGORITHMS if CHECKSUM + name in headers}
    for name, value in found.items():
        if not valid(name, value.partition("-")[0]):
            raise S3Fault("InvalidRequest", f"the value of {CHECKSUM}{name} is not valid")
    return found


def _md5(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise S3Fault("InvalidDigest", "the Content-MD5 is not valid")
    return digest.hex()


def write_guard(headers: Mapping[str, str]) -> Guard:
    """What `If-Match` and `If-None-Match` say of a write."""
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if unwanted not in (None, "*"):
        raise S3Fault("NotImplemented", "If-None-Match takes only * here")

    def guard(found: S3Object | None) -> None:
        if unwanted is not None and found is not None:
            raise _failed()
        if wanted is None:
            return
        if found is None:
            raise S3Fault("NoSuchKey", "there is no object of this key")
        if not _matches(wanted, found.etag):
            raise _failed()

    return guard


def is_unchanged(found: S3Object, headers: Mapping[str, str], prefix: str = "") -> bool:
    """Whether its reader has it already. Raises `S3Fault` (`PreconditionFailed`). `prefix` is before the names."""
    match, none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    modified = found.modified_us // 1_000_000
    since = _seconds(headers.get(f"{prefix}if-modified-since"))
    until = _seconds(headers.get(f"{prefix}if-unmodified-since"))
    if match is not None:
        if not _matches(match, found.etag):
            raise _failed()
    elif until is not None and modified > until:
        raise _failed()
    if none_match is not None:
        return _matches(none_match, found.etag)
    return since is not None and modified <= since


def check_source(found: S3Object, headers: Mapping[str, str]) -> None:
    if is_unchanged(found, headers, "x-amz-copy-source-"):
        raise _failed()


def _matches(wanted: str, etag: str) -> bool:
    names = [name.strip().removeprefix("W/").strip('"') for name in wanted.split(",")]
    return "*" in names or etag in names


def _seconds(date: str | None) -> float | None:
    """Unix seconds; a date that is none is as good as not sent."""
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _failed() -> S3Fault:
    return S3Fault("PreconditionFailed", "a condition of the request does not hold")


def read_range(found: S3Object, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """From and up to which byte; None for the whole, as S3 answers what it does not understand."""
    asked = RANGE.fullmatch(headers.get("range", "").strip())
    fresh = headers.get("if-range")
    if asked is None or (fresh is not None and not _is_fresh(fresh, found)):
        return None
    first, last = asked.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(found.size_bytes - int(last), 0), found.size_bytes
    else:
        start, stop = int(first), min(int(last) + 1, found.size_bytes) if last else found.size_bytes
        if last and int(last) < start:
            return None
    if start >= stop:
        unsatisfied = {"Content-Range": f"bytes */{found.size_bytes}"}
        raise S3Fault("InvalidRange", "the range lies outside of the object", headers=unsatisfied)
    return start, stop


def _is_fresh(sign: str, found: S3Object) -> bool:
    return _matches(sign, found.etag) or _seconds(sign) == found.modified_us // 1_000_000


def object_headers(found: S3Object, overrides: Mapping[str, str], *, with_checksums: bool) -> dict[str, str]:
    """All but the content's type and length."""
    kept = {**found.headers, **{OVERRIDES[name]: value for name, value in overrides.items() if name in OVERRIDES}}
    kept.pop("content-type", None)
    answer = {
        **{name: value for name, value in kept.items() if is_sendable(value)},
        **{META + name: value for name, value in found.user_metadata.items()},
        "accept-ranges": "bytes",
        "etag": f'"{found.etag}"',
        "last-modified": formatdate(found.modified_us // 1_000_000, usegmt=True),
    }
    if with_checksums and found.checksums:
        answer |= checksum_headers(found.checksums, found.checksum_type)
    return answer


def content_type(found: S3Object, overrides: Mapping[str, str]) -> str:
    named = overrides.get("response-content-type") or found.headers.get("content-type") or OCTETS
    return named if is_sendable(named) else OCTETS


def is_sendable(value: str) -> bool:
    """A query may hold what no header can."""
    return not re.search(r"[^\x20-\x7e\x80-\xff]", value)


def checksum_headers(checksums: Mapping[str, str], kind: str | None = None) -> dict[str, str]:
    found = {CHECKSUM + name: value for name, value in checksums.items()}
    return found | ({"x-amz-checksum-type": kind} if kind and found else {})


def copy_source(header: str) -> tuple[str, str]:
    """Bucket and key."""
    path, _, version = header.partition("?versionId=")
    if version not in ("", "null"):
        raise S3Fault("NoSuchVersion", "there are no versions here")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Fault("InvalidArgument", "x-amz-copy-source must be /bucket/key")
    return bucket, key


def number_of(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise S3Fault("InvalidArgument", f"{name} must be a whole number")
    return min(int(text), most)

"""Requests that are signed with an access key instead of carrying one: by the `Authorization` header, or by the query
of a presigned URL."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote_to_bytes

from handlers.core.call import Caller
from handlers.core.s3.faults import S3Fault
from server.auth import sigv4
from server.auth.signed_bodies import Receive, Seed, read_body
from server.request import Request

SKEW_SECONDS = 15 * 60
LONGEST_SECONDS = 7 * 86_400
UNSIGNED = "UNSIGNED-PAYLOAD"
HASH_HEADER = "x-amz-content-sha256"
MOMENT = "%Y%m%dT%H%M%SZ"
CREDENTIAL = re.compile(r"([^/]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request", re.ASCII)
SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
FIELDS = re.compile(r"\s*(Credential|SignedHeaders|Signature)\s*=\s*([^,\s]+)\s*(?:,|$)")


class Keys(Protocol):
    """What `handlers.core.s3.AccessKeys` offers."""

    async def find(self, key_id: str) -> tuple[Caller, str] | None: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature. `expires_seconds` None is one that is signed by its header."""

    key_id: str
    signing: sigv4.Signing
    signature: str
    payload_hash: str
    signed_at: float
    expires_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class SignedRequests:
    keys: Keys
    clock: Callable[[], float]

    def is_signed(self, request: Request) -> bool:
        named = request.headers.get("authorization", "").startswith("AWS")
        return named or b"X-Amz-Algorithm=" in request.query or b"AWSAccessKeyId=" in request.query

    async def admit(self, request: Request, scope: Any, receive: Receive) -> tuple[Caller, Receive]:
        """Who signed the request, and its body, which is held against what was signed as it is read. Raises
        `S3Fault`."""
        _check_path(request)
        claim = _claim_of(request)
        self._check_time(claim)
        found = await self.keys.find(claim.key_id)
        if found is None:
            raise S3Fault("InvalidAccessKeyId", "the access key does not exist here")
        caller, secret = found
        key = sigv4.signing_key(secret, claim.signing.scope)
        if not _is_right(request, scope["headers"], claim, key):
            raise S3Fault("SignatureDoesNotMatch", "the signature is not the one of this request and access key")
        seed = Seed(key, claim.signing, claim.signature)
        return caller, read_body(receive, request.headers, claim.payload_hash, seed)

    def _check_time(self, claim: Claim) -> None:
        now = self.clock()
        if claim.expires_seconds is None:
            if abs(now - claim.signed_at) > SKEW_SECONDS:
                raise S3Fault("RequestTimeTooSkewed", "the request's time and the server's are too far apart")
        elif now > claim.signed_at + claim.expires_seconds:
            raise S3Fault("AccessDenied", "the request has expired")
        elif claim.signed_at > now + SKEW_SECONDS:
            raise S3Fault("AccessDenied", "the request is not valid yet")


def unsigned(request: Request, receive: Receive) -> Receive:
    """The body of a request that is not signed; it may still be wrapped, and named by its hash. Raises
    `S3Fault`."""
    _check_path(request)
    return read_body(receive, request.headers, request.headers.get(HASH_HEADER, UNSIGNED), None)


def _check_path(request: Request) -> None:
    """Keys that differ only in what is no text must not become one."""
    try:
        unquote_to_bytes(request.raw_path).decode()
    except UnicodeDecodeError:
        raise S3Fault("InvalidURI", "the path is not valid UTF-8") from None


def _claim_of(request: Request) -> Claim:
    header = request.headers.get("authorization", "")
    if header.startswith("AWS ") or b"AWSAccessKeyId=" in request.query:
        raise S3Fault("InvalidRequest", f"signatures of version 2 are not served: use {sigv4.ALGORITHM}")
    claim = _by_header(request.headers, header) if header.startswith("AWS4") else _by_query(request.query)
    if "host" not in claim.signing.names:
        raise S3Fault("AuthorizationHeaderMalformed", "the host must be signed")
    loose = {name for name in request.headers if name.startswith("x-amz-")} - set(claim.signing.names)
    if loose:
        raise S3Fault("AccessDenied", f"headers were sent that are not signed: {', '.join(sorted(loose))}")
    return claim


def _by_header(headers: Mapping[str, str], header: str) -> Claim:
    algorithm, _, rest = header.partition(" ")
    fields = dict(FIELDS.findall(rest))
    if algorithm != sigv4.ALGORITHM or len(fields) != 3:
        raise S3Fault("AuthorizationHeaderMalformed", f"the header must be {sigv4.ALGORITHM} with its three fields")
    signed_at = _moment(headers.get("x-amz-date") or headers.get("date", ""))
    payload_hash = headers.get(HASH_HEADER)
    if payload_hash is None:
        raise S3Fault("InvalidRequest", f"the header {HASH_HEADER} is missing")
    key_id, signing = _signing(fields["Credential"], signed_at, fields["SignedHeaders"])
    return Claim(key_id, signing, _signature(fields["Signature"]), payload_hash, signed_at.timestamp())


def _by_query(query: bytes) -> Claim:
    try:
        given = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True))
        signed_at, seconds = _moment(given["X-Amz-Date"]), int(given["X-Amz-Expires"])
        credential, names, signature = (given[f"X-Amz-{n}"] for n in ("Credential", "SignedHeaders", "Signature"))
    except (KeyError, ValueError):
        raise S3Fault("AuthorizationQueryParametersError", "the query lacks a field of its signature") from None
    if given["X-Amz-Algorithm"] != sigv4.ALGORITHM or not 0 < seconds <= LONGEST_SECONDS:
        raise S3Fault("AuthorizationQueryParametersError", "the algorithm or the time of expiry is not valid")
    key_id, signing = _signing(credential, signed_at, names)
    payload_hash = given.get("X-Amz-Content-Sha256", UNSIGNED)
    return Claim(key_id, signing, _signature(signature), payload_hash, signed_at.timestamp(), seconds)


def _signing(credential: str, signed_at: datetime, names: str) -> tuple[str, sigv4.Signing]:
    parts = CREDENTIAL.fullmatch(credential)
    if parts is None or parts[4] != "s3":
        raise S3Fault("AuthorizationHeaderMalformed", "the credential must be KEY/YYYYMMDD/REGION/s3/aws4_request")
    moment = signed_at.strftime(MOMENT)
    if parts[2] != moment[:8]:
        raise S3Fault("AuthorizationHeaderMalformed", "the credential's day is not the one of the request")
    signing = sigv4.Signing(sigv4.Scope(parts[2], parts[3], parts[4]), moment, names.split(";"))
    return parts[1], signing


def _moment(text: str) -> datetime:
    try:
        if text.endswith("Z"):
            return datetime.strptime(text, MOMENT).replace(tzinfo=UTC)
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise S3Fault("AccessDenied", "the request has no valid date") from None


def _signature(text: str) -> str:
    if not SIGNATURE.fullmatch(text):
        raise S3Fault("SignatureDoesNotMatch", "the signature must be 64 hexadecimal digits")
    return text


def _is_right(request: Request, fields: Any, claim: Claim, key: bytes) -> bool:
    """The path may be signed as it was sent, or as it is encoded canonically: both name the same."""
    headers = sigv4.gather_headers(fields, claim.signing.names)
    query = sigv4.canonical_query(request.query, "X-Amz-Signature" if claim.expires_seconds is not None else None)
    is_right = False
    for path in dict.fromkeys((sigv4.canonical_path(request.raw_path), request.raw_path.decode("latin-1"))):
        canonical = sigv4.canonical_request(request.method, path, query, headers, claim.payload_hash)
        expected = sigv4.sign(key, sigv4.string_to_sign(claim.signing, canonical))
        is_right |= hmac.compare_digest(expected, claim.signature)
    return is_right

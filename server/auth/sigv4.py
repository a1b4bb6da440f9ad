"""AWS Signature Version 4, as S3 uses it: what is signed, and how. Pure functions.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"
SPACES = re.compile(r" +")
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Scope:
    """`20130524/us-east-1/s3/aws4_request`."""

    day: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Signing:
    """`moment` is `20130524T000000Z`; `names` are those of the signed headers, in lower case and order."""

    scope: Scope
    moment: str
    names: Sequence[str]


def canonical_path(raw: bytes) -> str:
    """Percent-encoded once, whatever of it was encoded before."""
    return quote_from_bytes(unquote_to_bytes(raw), safe=UNRESERVED + "/")


def canonical_query(raw: bytes, left_out: str | None = None) -> str:
    pairs = []
    for field in raw.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            pairs.append((_encode(name), _encode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != left_out)


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str) -> str:
    """`headers` are the signed ones, by lower-cased name."""
    lines = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(sorted(headers))}\n{payload_hash}"


def gather_headers(fields: Iterable[tuple[bytes, bytes]], names: Sequence[str]) -> dict[str, str]:
    """The values of these headers as they are signed; several of a name are joined."""
    wanted, found = set(names), {name: list[str]() for name in names}
    for raw_name, raw_value in fields:
        name = raw_name.decode("latin-1").lower()
        if name in wanted:
            found[name].append(SPACES.sub(" ", raw_value.decode("latin-1").strip()))
    return {name: ",".join(values) for name, values in found.items()}


def string_to_sign(signing: Signing, canonical: str) -> str:
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{signing.moment}\n{signing.scope}\n{hashed}"


def signing_key(secret: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (scope.day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


def sign_chunk(key: bytes, signing: Signing, previous: str, chunk_hash: str) -> str:
    """Of a chunk of a streamed body, by the signature before it."""
    head = f"{ALGORITHM}-PAYLOAD\n{signing.moment}\n{signing.scope}"
    return sign(key, f"{head}\n{previous}\n{EMPTY_HASH}\n{chunk_hash}")


def sign_trailer(key: bytes, signing: Signing, previous: str, trailer: bytes) -> str:
    """`trailer` is `name:value\\n` of each field behind a streamed body."""
    head = f"{ALGORITHM}-TRAILER\n{signing.moment}\n{signing.scope}"
    return sign(key, f"{head}\n{previous}\n{hashlib.sha256(trailer).hexdigest()}")


def _encode(text: bytes) -> str:
    return quote_from_bytes(unquote_to_bytes(text), safe=UNRESERVED)

"""Requests of S3's protocol, signed as its clients sign them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from server.auth import sigv4

CREDENTIALS = ("authorization", "x-api-key")


@dataclass(frozen=True, slots=True)
class AccessKey:
    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """Takes the API key out of a prepared request and signs it instead (an `auth` of requests). A request without that
    key stays as it is: it is one that tries to do without credentials, or with false ones."""

    key: AccessKey
    api_key: str
    now: Callable[[], float] = time.time

    def __call__(self, request: Any) -> Any:
        bearers = [name for name in CREDENTIALS if self.api_key in _text(request.headers.get(name, ""))]
        body = request.body or b""
        if not bearers or not isinstance(body, bytes | str):
            return request
        for name in bearers:
            del request.headers[name]
        body = body.encode() if isinstance(body, str) else body
        request.headers.update(sign(self.key, request.method, request.url, body, self.now()))
        return request


def sign(key: AccessKey, method: str, url: str, body: bytes, at: float) -> dict[str, str]:
    """The headers that sign a request; `at` is the moment, as time.time() tells it."""
    parts, moment = urlsplit(url), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    hashed = hashlib.sha256(body).hexdigest()
    signed = {"host": parts.netloc, "x-amz-content-sha256": hashed, "x-amz-date": moment}
    scope = sigv4.Scope(moment[:8], "anywhere-1", "s3")
    path, query = sigv4.canonical_path(parts.path.encode()), sigv4.canonical_query(parts.query.encode())
    canonical = sigv4.canonical_request(method, path, query, signed, hashed)
    signing = sigv4.Signing(scope, moment, sorted(signed))
    signature = sigv4.sign(sigv4.signing_key(key.secret, scope), sigv4.string_to_sign(signing, canonical))
    named = f"Credential={key.id}/{scope}, SignedHeaders={';'.join(sorted(signed))}, Signature={signature}"
    del signed["host"]  # the client sets it itself
    return {**signed, "authorization": f"{sigv4.ALGORITHM} {named}"}


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value

"""Requests signed by hand, so that they can be signed wrongly."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from server.auth import sigv4
from tests.live import LiveServer

GATEWAY = "/ipop/v1/storage/s3"


@dataclass(frozen=True)
class AccessKey:
    id: str
    secret: str = field(repr=False)

    @classmethod
    def made(cls, server: LiveServer, project: str = "default") -> AccessKey:
        made = json.loads(server.cli("storage", "keys", "create", "--project", project, "--json").stdout)
        return cls(made["access_key_id"], made["secret_access_key"])


def signed_headers(
    key: AccessKey,
    method: str,
    url: str,
    body: bytes,
    *,
    extra: Mapping[str, str] | None = None,
    at: float | None = None,
) -> dict[str, str]:
    parts, moment = urlsplit(url), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    hashed = hashlib.sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-date": moment, "x-amz-content-sha256": hashed, **(extra or {})}
    scope = sigv4.Scope(moment[:8], "anywhere-1", "s3")
    signing = sigv4.Signing(scope, moment, sorted(headers))
    path, query = sigv4.canonical_path(parts.path.encode()), sigv4.canonical_query(parts.query.encode())
    canonical = sigv4.canonical_request(method, path, query, headers, headers["x-amz-content-sha256"])
    signature = sigv4.sign(sigv4.signing_key(key.secret, scope), sigv4.string_to_sign(signing, canonical))
    named = f"Credential={key.id}/{scope}, SignedHeaders={';'.join(sorted(headers))}, Signature={signature}"
    return {**headers, "authorization": f"{sigv4.ALGORITHM} {named}"}


def ask(key: AccessKey, method: str, url: str, body: bytes = b"", **options: Any) -> httpx.Response:
    headers = signed_headers(key, method, url, body, **options)
    return httpx.request(method, url, content=body, headers=headers, timeout=60)


def code_of(answer: httpx.Response) -> str:
    """Of an error."""
    assert answer.headers["content-type"] == "application/xml"
    assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>" in answer.text
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]

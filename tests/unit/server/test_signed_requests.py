from __future__ import annotations

from typing import Any

import pytest

from handlers.core.call import Caller
from handlers.core.s3 import S3Fault
from server.auth import sigv4
from server.auth.signed_requests import SignedRequests
from server.request import Request

NOW = 1_369_353_600.0
MOMENT, SCOPE = "20130524T000000Z", sigv4.Scope("20130524", "anywhere", "s3")
CREDENTIAL = f"CK1%2F{str(SCOPE).replace('/', '%2F')}"


class Book:
    async def find(self, key_id: str) -> tuple[Caller, str] | None:
        return (Caller("p", "default", key_id), "secret") if key_id == "CK1" else None


def signed_requests(after: float = 0.0) -> SignedRequests:
    return SignedRequests(Book(), lambda: NOW + after)


def presigned(path: str, *, expires: str = "60", credential: str = CREDENTIAL, names: str = "host") -> str:
    """A query."""
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={MOMENT}"
        f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders={names}"
    )
    canonical = sigv4.canonical_request(
        "GET", path, sigv4.canonical_query(query.encode()), {"host": "here"}, "UNSIGNED-PAYLOAD"
    )
    text = sigv4.string_to_sign(sigv4.Signing(SCOPE, MOMENT, ["host"]), canonical)
    return f"{query}&X-Amz-Signature={sigv4.sign(sigv4.signing_key('secret', SCOPE), text)}"


async def admit(query: str, raw_path: str = "/b/k", after: float = 0.0, **headers: str) -> Caller:
    fields = [
        (b"host", b"here"),
        *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
    ]
    scope: Any = {"method": "GET", "raw_path": raw_path.encode(), "query_string": query.encode(), "headers": fields}
    request = Request(scope, raw_path)
    signed = signed_requests(after)
    assert signed.is_signed(request)

    async def receive() -> Any:
        return {"type": "http.request"}

    return (await signed.admit(request, scope, receive))[0]


@pytest.mark.parametrize("raw_path", ["/b/k", "/b/a%2Fb", "/b/a(b)", "/b/a+b", "/b//../c"])
async def test_a_presigned_address_admits_as_it_was_sent_or_encoded(raw_path: str) -> None:
    for path in (raw_path, sigv4.canonical_path(raw_path.encode())):
        caller = await admit(presigned(path), raw_path)
        assert (caller.project_id, caller.key_id) == ("p", "CK1")


@pytest.mark.parametrize(
    ("query", "after", "expected"),
    [
        (presigned("/b/k"), 61.0, "AccessDenied"),
        (presigned("/b/k"), -901.0, "AccessDenied"),
        (presigned("/b/other"), 0.0, "SignatureDoesNotMatch"),
        (presigned("/b/k") + "&prefix=x", 0.0, "SignatureDoesNotMatch"),
        (presigned("/b/k", credential=CREDENTIAL.replace("CK1", "CK2")), 0.0, "InvalidAccessKeyId"),
        (
            presigned("/b/k", credential=CREDENTIAL.replace("%2Fs3%2F", "%2Fec2%2F")),
            0.0,
            "AuthorizationHeaderMalformed",
        ),
        (presigned("/b/k", credential=CREDENTIAL.replace("20130524", "20130525")), 0.0, "AuthorizationHeaderMalformed"),
        (presigned("/b/k", expires="604801"), 0.0, "AuthorizationQueryParametersError"),
        (presigned("/b/k", expires="0"), 0.0, "AuthorizationQueryParametersError"),
        (presigned("/b/k", expires="x"), 0.0, "AuthorizationQueryParametersError"),
        (presigned("/b/k", names="range"), 0.0, "AuthorizationHeaderMalformed"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", 0.0, "AuthorizationQueryParametersError"),
        ("AWSAccessKeyId=CK1&Signature=x&Expires=1", 0.0, "InvalidRequest"),
    ],
)
async def test_other_addresses_are_refused(query: str, after: float, expected: str) -> None:
    with pytest.raises(S3Fault) as refused:
        await admit(query, after=after)
    assert refused.value.code == expected


async def test_what_a_client_adds_must_be_signed() -> None:
    assert await admit(presigned("/b/k"), range="bytes=0-1")
    with pytest.raises(S3Fault):
        await admit(presigned("/b/k"), x_amz_copy_source="/b/other")

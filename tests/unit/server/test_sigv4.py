"""Against the examples of Amazon's own documentation, with the keys that it publishes for them."""

from __future__ import annotations

import hashlib

import pytest

from server.auth import sigv4
from server.auth.sigv4 import Scope, Signing

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SCOPE = Scope("20130524", "us-east-1", "s3")
MOMENT = "20130524T000000Z"
HOST = "examplebucket.s3.amazonaws.com"


def signature(method: str, path: bytes, query: bytes, payload_hash: str, **headers: str) -> str:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    signing = Signing(SCOPE, MOMENT, sorted(fields))
    canonical = sigv4.canonical_request(
        method, sigv4.canonical_path(path), sigv4.canonical_query(query), fields, payload_hash
    )
    return sigv4.sign(sigv4.signing_key(SECRET, SCOPE), sigv4.string_to_sign(signing, canonical))


def test_an_object_is_read() -> None:
    empty = sigv4.EMPTY_HASH
    found = signature(
        "GET", b"/test.txt", b"", empty, host=HOST, range="bytes=0-9", x_amz_content_sha256=empty, x_amz_date=MOMENT
    )
    assert found == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


def test_an_object_is_written_whose_key_needs_encoding() -> None:
    hashed = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    found = signature(
        "PUT",
        b"/test$file.text",
        b"",
        hashed,
        date="Fri, 24 May 2013 00:00:00 GMT",
        host=HOST,
        x_amz_content_sha256=hashed,
        x_amz_date=MOMENT,
        x_amz_storage_class="REDUCED_REDUNDANCY",
    )
    assert found == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (b"max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        (b"prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_a_query_is_signed_in_its_order(query: bytes, expected: str) -> None:
    empty = sigv4.EMPTY_HASH
    found = signature("GET", b"/", query, empty, host=HOST, x_amz_content_sha256=empty, x_amz_date=MOMENT)
    assert found == expected


def test_an_address_is_signed_beforehand() -> None:
    query = (
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
        b"aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    )
    expected = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    assert signature("GET", b"/test.txt", query, "UNSIGNED-PAYLOAD", host=HOST) == expected
    signed = query + b"&X-Amz-Signature=" + expected.encode()
    assert sigv4.canonical_query(signed, "X-Amz-Signature") == sigv4.canonical_query(query)


def test_chunks_are_signed_one_by_the_other() -> None:
    key, signing = sigv4.signing_key(SECRET, SCOPE), Signing(SCOPE, MOMENT, ["host"])
    seed = signature(
        "PUT",
        b"/examplebucket/chunkObject.txt",
        b"",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        content_encoding="aws-chunked",
        content_length="66824",
        host="s3.amazonaws.com",
        x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        x_amz_date=MOMENT,
        x_amz_decoded_content_length="66560",
        x_amz_storage_class="REDUCED_REDUNDANCY",
    )
    assert seed == "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    found = []
    for chunk in (b"a" * 65536, b"a" * 1024, b""):
        seed = sigv4.sign_chunk(key, signing, seed, hashlib.sha256(chunk).hexdigest())
        found.append(seed)
    assert found == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


def test_what_follows_the_chunks_is_signed() -> None:
    key, signing = sigv4.signing_key(SECRET, SCOPE), Signing(SCOPE, MOMENT, ["host"])
    last = "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
    found = sigv4.sign_trailer(key, signing, last, b"x-amz-checksum-crc32c:sOO8/Q==\n")
    assert found == "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        (b"/b/a%20b", "/b/a%20b"),
        (b"/b/a+b", "/b/a%2Bb"),
        (b"/b/a%2bb", "/b/a%2Bb"),
        (b"/b//c/../d/.", "/b//c/../d/."),
        (b"/b/%C3%BC(~)", "/b/%C3%BC%28~%29"),
        (b"/b/%252F", "/b/%252F"),
    ],
)
def test_paths_are_encoded_once_and_never_shortened(sent: bytes, canonical: str) -> None:
    assert sigv4.canonical_path(sent) == canonical


def test_headers_are_trimmed_and_joined() -> None:
    fields = [(b"Host", b" a "), (b"x-amz-meta-b", b"1   2"), (b"X-Amz-Meta-B", b"3"), (b"accept", b"*/*")]
    assert sigv4.gather_headers(fields, ["host", "x-amz-meta-b"]) == {"host": "a", "x-amz-meta-b": "1 2,3"}

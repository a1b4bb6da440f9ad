"""Object storage over HTTP: IPOP's document, and S3's clients."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from obstore.store import S3Store

from storage.blobs.bucket import BucketBlobs
from storage.blobs.interface import Blobs
from tests.journeys.s3_signing import GATEWAY, AccessKey, ask, code_of, signed_headers
from tests.live import LiveServer, running
from tests.unit.storage.test_blobs import (  # noqa: F401
    test_an_absent_blob_is_none_and_a_deleted_one_absent,
    test_blobs_of_a_folder_are_listed,
    test_large_content_in_many_pieces_arrives_whole,
    test_what_is_put_can_be_read_whole_and_in_part,
)

MIB = 2**20


@pytest.fixture(scope="session")
def key(server: LiveServer) -> AccessKey:
    return AccessKey.made(server)


@pytest.fixture(scope="session")
def others_key(server: LiveServer) -> AccessKey:
    return AccessKey.made(server, "other")


@pytest.fixture
def bucket(client: httpx.Client) -> str:
    """The path of a fresh one."""
    path = f"{GATEWAY}/bucket-{uuid.uuid4().hex[:12]}"
    client.put(path).raise_for_status()
    return path


@pytest.fixture
def blobs(server: LiveServer, key: AccessKey, bucket: str) -> Blobs:
    """Our gateway as the bucket that blobs are kept in."""
    options: dict[str, Any] = {
        "endpoint": server.url + GATEWAY,
        "region": "us-east-1",
        "access_key_id": key.id,
        "secret_access_key": key.secret,
        "client_options": {"allow_http": True},
    }
    return BucketBlobs(S3Store(bucket.rpartition("/")[2], **options))


def test_an_object_comes_back_as_it_was_put(client: httpx.Client, bucket: str) -> None:
    put = client.put(
        f"{bucket}/a/b.txt",
        content=b"hello",
        headers={"content-type": "application/json", "x-amz-meta-n": "1", "cache-control": "no-store"},
    )
    assert (put.status_code, put.content) == (200, b"")
    assert put.headers["etag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = client.get(f"{bucket}/a/b.txt")
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"hello", "application/json")
    assert (got.headers["x-amz-meta-n"], got.headers["cache-control"]) == ("1", "no-store")
    head = client.head(f"{bucket}/a/b.txt")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    assert head.headers["last-modified"] == got.headers["last-modified"]
    deleted = client.delete(f"{bucket}/a/b.txt")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.delete(f"{bucket}/a/b.txt").status_code == 204


def test_errors_are_xml_and_those_of_head_have_no_body(client: httpx.Client, bucket: str) -> None:
    missing = client.get(f"{bucket}/none")
    assert (missing.status_code, code_of(missing)) == (404, "NoSuchKey")
    head = client.head(f"{bucket}/none")
    assert (head.status_code, head.content) == (404, b"")
    assert code_of(client.get(f"{GATEWAY}/no-such-bucket/x")) == "NoSuchBucket"
    assert code_of(client.get(f"{bucket}/x", params={"acl": ""})) == "NotImplemented"
    assert code_of(client.put(f"{GATEWAY}/No_Bucket")) == "InvalidBucketName"
    assert code_of(client.put(f"{bucket}/{'k' * 1025}", content=b"")) == "KeyTooLongError"
    assert code_of(client.put(f"{bucket}/x", headers={"x-amz-acl": "public-read"})) == "NotImplemented"
    assert code_of(client.put(f"{bucket}/%FF", content=b"")) == "InvalidURI"
    assert code_of(client.patch(f"{bucket}/x")) == "MethodNotAllowed"


def test_parts_of_an_object_are_read_by_range(client: httpx.Client, bucket: str) -> None:
    client.put(f"{bucket}/o", content=bytes(range(100)))
    for asked, start, stop in (("0-9", 0, 10), ("90-", 90, 100), ("-5", 95, 100), ("98-200", 98, 100)):
        got = client.get(f"{bucket}/o", headers={"range": f"bytes={asked}"})
        assert (got.status_code, got.content) == (206, bytes(range(start, stop)))
        assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/100"
    refused = client.get(f"{bucket}/o", headers={"range": "bytes=100-"})
    assert (refused.status_code, code_of(refused), refused.headers["content-range"]) == (
        416,
        "InvalidRange",
        "bytes */100",
    )
    assert client.get(f"{bucket}/o", headers={"range": "lines=1-2"}).status_code == 200


def test_conditions_hold_for_reading_and_writing(client: httpx.Client, bucket: str) -> None:
    path = f"{bucket}/o"
    made = client.put(path, content=b"1", headers={"if-none-match": "*"})
    etag, now = made.headers["etag"], client.head(path).headers["last-modified"]
    for headers, status in (
        ({"if-none-match": etag}, 304), ({"if-none-match": '"x"'}, 200), ({"if-match": '"x"'}, 412),
        ({"if-match": etag}, 200), ({"if-modified-since": now}, 304),
        ({"if-unmodified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 412),
    ):  # fmt: skip
        assert client.get(path, headers=headers).status_code == status
    assert code_of(client.put(path, content=b"2", headers={"if-none-match": "*"})) == "PreconditionFailed"
    assert code_of(client.put(path, content=b"2", headers={"if-match": '"x"'})) == "PreconditionFailed"
    assert code_of(client.put(f"{bucket}/none", content=b"2", headers={"if-match": etag})) == "NoSuchKey"
    assert client.put(path, content=b"2", headers={"if-match": etag}).status_code == 200
    assert code_of(client.delete(path, headers={"if-match": etag})) == "PreconditionFailed"


def test_of_many_writers_who_want_to_be_first_one_is(client: httpx.Client, bucket: str) -> None:
    def write(number: int) -> int:
        answer = client.put(f"{bucket}/o", content=b"%d" % number, headers={"if-none-match": "*"})
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(8))) == [200] + [412] * 7


@pytest.mark.parametrize("name", ["a b", "a+b", "a//b", "../x/./y", "ü\U0001f600", "q?&#%2F", "/lead", "trail/", "%"])
def test_keys_have_any_characters(
    server: LiveServer, client: httpx.Client, key: AccessKey, bucket: str, name: str
) -> None:
    # sent over a bare socket, because clients tidy up dots
    path = f"{bucket}/{quote(name, safe='/')}"
    url = server.url + path
    headers = {**signed_headers(key, "PUT", url, name.encode()), "content-length": str(len(name.encode()))}
    head = "".join(f"{field}: {value}\r\n" for field, value in headers.items())
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode() + name.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    listed = client.get(bucket, params={"list-type": "2", "encoding-type": "url"}).text
    assert f"<Key>{quote(name, safe='/-_.~')}</Key>" in listed
    body = f"<Delete><Object><Key>{name.replace('&', '&amp;')}</Key></Object></Delete>"
    assert client.post(bucket, params={"delete": ""}, content=body.encode()).status_code == 200
    assert "<KeyCount>0</KeyCount>" in client.get(bucket, params={"list-type": "2"}).text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"method": "PUT"}, "SignatureDoesNotMatch"),
        ({"path": "/other"}, "SignatureDoesNotMatch"),
        ({"query": "?x=1"}, "SignatureDoesNotMatch"),
        ({"headers": {"x-amz-meta-a": "2"}}, "SignatureDoesNotMatch"),
        ({"headers": {"x-amz-meta-b": "1"}}, "AccessDenied"),
        ({"headers": {"x-amz-date": "20200101T000000Z"}}, "AuthorizationHeaderMalformed"),
        ({"headers": {"authorization": "AWS4-HMAC-SHA256 nonsense"}}, "AuthorizationHeaderMalformed"),
        ({"headers": {"authorization": "AWS4-HMAC-SHA512 x"}}, "AuthorizationHeaderMalformed"),
    ],
)
def test_what_was_not_signed_so_is_refused(
    server: LiveServer, key: AccessKey, bucket: str, change: dict[str, Any], expected: str
) -> None:
    url = f"{server.url}{bucket}/k"
    headers = signed_headers(key, "GET", url, b"", extra={"x-amz-meta-a": "1"}) | change.get("headers", {})
    target = url + change.get("path", "") + change.get("query", "")
    assert code_of(httpx.request(change.get("method", "GET"), target, headers=headers, timeout=60)) == expected


def test_keys_clocks_and_bodies_must_be_right(server: LiveServer, key: AccessKey, bucket: str) -> None:
    url, now = f"{server.url}{bucket}/k", time.time()
    assert ask(key, "PUT", url, b"body", at=now - 600).status_code == 200
    assert code_of(ask(key, "PUT", url, b"body", at=now - 1000)) == "RequestTimeTooSkewed"
    assert code_of(ask(key, "PUT", url, b"body", at=now + 1000)) == "RequestTimeTooSkewed"
    assert code_of(ask(AccessKey(key.id, "x"), "GET", url)) == "SignatureDoesNotMatch"
    assert code_of(ask(AccessKey("CKNOBODY", "x"), "GET", url)) == "InvalidAccessKeyId"
    headers = signed_headers(key, "PUT", url, b"body")
    assert code_of(httpx.put(url, content=b"bodY", headers=headers, timeout=60)) == "XAmzContentSHA256Mismatch"
    assert ask(key, "GET", url).content == b"body"
    anonymous = httpx.get(url, timeout=60)
    assert (anonymous.status_code, code_of(anonymous)) == (401, "AccessDenied")


def test_an_access_key_is_shown_once_and_can_be_revoked(server: LiveServer, client: httpx.Client, bucket: str) -> None:
    made = AccessKey.made(server)
    assert ask(made, "GET", server.url + bucket).status_code == 200
    shown = client.get("/ipop/v1/storage").text
    assert made.id in shown
    assert made.secret not in shown + server.log_text() + server.cli("storage", "keys", "list", "--json").stdout
    kept = [file for file in server.data_dir.rglob("*") if file.is_file() and "concordat.db" in str(file)]
    assert kept
    assert not any(made.secret.encode() in file.read_bytes() for file in kept)
    assert server.cli("storage", "keys", "revoke", made.id).returncode == 0
    assert code_of(ask(made, "GET", server.url + bucket)) == "InvalidAccessKeyId"
    assert server.cli("storage", "keys", "revoke", made.id, "--project", "other").returncode != 0


def test_buckets_are_each_projects_own(
    server: LiveServer, client: httpx.Client, other: httpx.Client, others_key: AccessKey, bucket: str
) -> None:
    client.put(f"{bucket}/k", content=b"mine")
    copied = {"x-amz-copy-source": f"{bucket.removeprefix(GATEWAY)}/k"}
    for answer in (
        other.get(f"{bucket}/k"), other.put(f"{bucket}/k", content=b"theirs"), other.delete(f"{bucket}/k"),
        other.get(bucket), other.delete(bucket), other.post(bucket, params={"uploads": ""}),
        ask(others_key, "GET", f"{server.url}{bucket}/k"),
    ):  # fmt: skip
        assert code_of(answer) in ("NoSuchBucket", "InvalidRequest")
    assert bucket.rpartition("/")[2] not in other.get(f"{GATEWAY}/").text + other.get("/ipop/v1/storage").text
    assert other.put(bucket).status_code == 200
    assert code_of(other.get(f"{bucket}/k")) == "NoSuchKey"
    assert code_of(other.put(f"{bucket}/copy", headers=copied)) == "NoSuchKey"
    upload = client.post(f"{bucket}/m", params={"uploads": ""}).text.partition("<UploadId>")[2].partition("<")[0]
    theirs = {"uploadId": upload, "partNumber": "1"}
    assert code_of(other.put(f"{bucket}/m", params=theirs, content=b"x")) == "NoSuchUpload"
    assert client.get(f"{bucket}/k").content == b"mine"


def test_parts_make_an_object(client: httpx.Client, bucket: str) -> None:
    path = f"{bucket}/large"
    begun = client.post(path, params={"uploads": ""}, headers={"x-amz-meta-a": "1", "content-type": "text/x"})
    upload = {"uploadId": begun.text.partition("<UploadId>")[2].partition("<")[0]}
    contents = {1: os.urandom(5 * MIB), 3: os.urandom(5 * MIB), 7: b"end", 9: b"not wanted"}
    etags = {
        n: client.put(path, params={**upload, "partNumber": n}, content=contents[n]).headers["etag"] for n in contents
    }

    def complete(*numbers: int, **changed: str) -> httpx.Response:
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{changed.get(f'p{n}', etags[n])}</ETag></Part>" for n in numbers
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        return client.post(path, params=upload, content=body.encode())

    assert code_of(complete(3, 1)) == "InvalidPartOrder"
    assert code_of(complete(1, 7, 9)) == "EntityTooSmall"
    assert code_of(complete(1, p1='"0"')) == "InvalidPart"
    assert code_of(complete()) == "MalformedXML"
    assert client.get(path).status_code == 404
    assert complete(1, 3, 7).status_code == 200
    assert complete(1, 3, 7).status_code == 200, "an answer that got lost is asked for again"
    whole = contents[1] + contents[3] + contents[7]
    got = client.get(path, headers={"range": f"bytes={5 * MIB - 2}-{10 * MIB}"})
    assert got.content == whole[5 * MIB - 2 : 10 * MIB + 1]
    head = client.head(path)
    digests = b"".join(hashlib.md5(contents[n]).digest() for n in (1, 3, 7))
    assert head.headers["etag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert (head.headers["content-length"], head.headers["x-amz-meta-a"]) == (str(len(whole)), "1")
    summary = client.get("/ipop/v1/storage").json()
    (listed,) = [one for one in summary["buckets"] if one["name"] == bucket.rpartition("/")[2]]
    assert (listed["object_count"], listed["storage_bytes"]) == (1, len(whole))


def test_checksums_are_checked(client: httpx.Client, bucket: str) -> None:
    def put(**headers: str) -> httpx.Response:
        return client.put(f"{bucket}/o", content=b"abc", headers={n.replace("_", "-"): v for n, v in headers.items()})

    right = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"abd").digest()).decode()
    assert put(x_amz_checksum_sha256=right).headers["x-amz-checksum-sha256"] == right
    assert code_of(put(x_amz_checksum_sha256=wrong)) == "BadDigest"
    assert code_of(put(x_amz_checksum_sha256="AAAA")) == "InvalidRequest"
    assert code_of(put(content_md5=base64.b64encode(b"0" * 16).decode())) == "BadDigest"
    assert code_of(put(content_md5="x")) == "InvalidDigest"
    got = client.get(f"{bucket}/o", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (got.content, got.headers["x-amz-checksum-sha256"]) == (b"abc", right)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<Delete>", b"<Delete/>", b"<Other/>", b"\xff", b"<Delete><Object/></Delete>",
        b'<!DOCTYPE d [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
    ],
)  # fmt: skip
def test_bad_xml_is_refused(client: httpx.Client, bucket: str, body: bytes) -> None:
    assert code_of(client.post(bucket, params={"delete": ""}, content=body)) == "MalformedXML"


@pytest.mark.parametrize(
    "query", ["list-type=3", "max-keys=x", "continuation-token=%00", "encoding-type=xml", "prefix=%FF", "prefix=%00"]
)
def test_bad_queries_are_refused(client: httpx.Client, bucket: str, query: str) -> None:
    assert client.get(f"{bucket}?list-type=2&{query}").status_code == 400


def test_requests_and_bytes_are_counted(client: httpx.Client, bucket: str) -> None:
    before = client.get("/ipop/v1/storage").json()
    client.put(f"{bucket}/o", content=b"x" * 1000)
    client.get(f"{bucket}/o", headers={"range": "bytes=0-99"})
    client.head(f"{bucket}/o")
    after = client.get("/ipop/v1/storage").json()
    assert after["usage"]["ingress_bytes"] == before["usage"]["ingress_bytes"] + 1000
    assert after["usage"]["egress_bytes"] == before["usage"]["egress_bytes"] + 100
    assert after["usage"]["requests"] == before["usage"]["requests"] + 3
    assert after["allocation"]["used_bytes"] == before["allocation"]["used_bytes"] + 1000
    assert after["endpoint"] == f"{client.base_url}".rstrip("/") + GATEWAY


def test_blocks_are_bought_once_and_bound_what_is_stored(tmp_path: Path) -> None:
    settings = {"CONCORDAT_STORAGE_FREE_BYTES": "1000", "CONCORDAT_STORAGE_BLOCK_USD": "0.333333"}
    with running(tmp_path, **settings) as server:
        key = {"Authorization": f"Bearer {server.key}"}
        with httpx.Client(base_url=server.url, headers=key, timeout=60) as client:
            bucket = f"{GATEWAY}/bucket"
            client.put(bucket).raise_for_status()
            assert client.put(f"{bucket}/a", content=b"a" * 900).status_code == 200
            full = client.put(f"{bucket}/b", content=b"b" * 101)
            assert (full.status_code, code_of(full)) == (403, "QuotaExceeded")
            assert client.put(f"{bucket}/a", content=b"a" * 1000).status_code == 200
            assert server.cli("credits", "set", "1").returncode == 0
            bought = _buy(client, blocks=2, idempotency_key="k")
            assert bought.json()["purchased_tb_blocks"] == 2
            assert bought.json()["allocation_bytes"] == 2 * 10**12 + 1000
            with ThreadPoolExecutor(4) as pool:
                again = list(pool.map(lambda _: _buy(client, blocks=2, idempotency_key="k").json(), range(4)))
            assert again == [bought.json()] * 4
            assert '"0.333334"' in server.cli("credits", "show", "--json").stdout
            assert _buy(client, blocks=2).status_code == 402
            assert _buy(client, blocks=1, idempotency_key="k").status_code == 409
            assert _buy(client, blocks=1, month_utc="2001-01").status_code == 400
            assert client.put(f"{bucket}/b", content=b"b" * 5000).status_code == 200


def _buy(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/ipop/v1/storage/allocations", json=body)

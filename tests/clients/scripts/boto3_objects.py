"""boto3 against the S3 gateway: `python boto3_objects.py URL ACCESS_KEY_ID SECRET`; prints one JSON object."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
import urllib.request
import uuid
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

URL, ACCESS_KEY, SECRET = sys.argv[1:4]
MIB = 2**20
KEYS = ["plain", "a b", "a+b", "ü/\U0001f600", "a//b", "a/../b", "./x", "q?x=1&y#z%2F", "~-_.!*'()", "/lead", "trail/"]


def connect(**options: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=URL,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **options),
    )


def code_of(act: Any) -> Any:
    try:
        act()
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]
    return None


def plain(s3: Any, bucket: str) -> dict[str, Any]:
    put = s3.put_object(
        Bucket=bucket, Key="one", Body=b"hello", ContentType="text/plain", Metadata={"colour": "blue"},
        CacheControl="no-store", ContentDisposition='attachment; filename="x"',
    )  # fmt: skip
    got = s3.get_object(Bucket=bucket, Key="one")
    head = s3.head_object(Bucket=bucket, Key="one", ChecksumMode="ENABLED")
    ranged = s3.get_object(Bucket=bucket, Key="one", Range="bytes=1-3")
    return {
        "etag": put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"',
        "got": [got["Body"].read().decode(), got["ContentType"], got["Metadata"], got["CacheControl"]],
        "head": [
            head["ContentLength"],
            head["ContentDisposition"],
            "ChecksumCRC32" in head or "ChecksumCRC64NVME" in head,
        ],
        "ranged": [ranged["Body"].read().decode(), ranged["ContentRange"]],
        "no_range": code_of(lambda: s3.get_object(Bucket=bucket, Key="one", Range="bytes=9-")),
        "unchanged": code_of(lambda: s3.get_object(Bucket=bucket, Key="one", IfNoneMatch=put["ETag"])),
        "changed": code_of(lambda: s3.get_object(Bucket=bucket, Key="one", IfMatch='"x"')),
        "exists": code_of(lambda: s3.put_object(Bucket=bucket, Key="one", Body=b"", IfNoneMatch="*")),
        "absent": [
            code_of(lambda: s3.get_object(Bucket=bucket, Key="no")),
            code_of(lambda: s3.head_object(Bucket=bucket, Key="no")),
        ],
        "no_bucket": code_of(lambda: s3.get_object(Bucket="no-such-bucket", Key="x")),
    }


def checksums(s3: Any, bucket: str) -> dict[str, Any]:
    found = {}
    for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        s3.put_object(Bucket=bucket, Key=f"sum-{name}", Body=b"abc" * 999, ChecksumAlgorithm=name)
        s3.put_object(Bucket=bucket, Key=f"sum-{name}", Body=io.BytesIO(b"abc" * 999), ChecksumAlgorithm=name)
        got = s3.get_object(Bucket=bucket, Key=f"sum-{name}", ChecksumMode="ENABLED")
        found[name] = [got["Body"].read() == b"abc" * 999, f"Checksum{name}" in got]
    found["wrong"] = code_of(lambda: s3.put_object(Bucket=bucket, Key="x", Body=b"abc", ChecksumCRC32="AAAAAA=="))
    return found


def multipart(s3: Any, bucket: str) -> dict[str, Any]:
    data = os.urandom(MIB) * 17 + b"end"
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=3)
    with tempfile.TemporaryDirectory() as folder:
        there, back = os.path.join(folder, "a"), os.path.join(folder, "b")
        with open(there, "wb") as file:
            file.write(data)
        s3.upload_file(there, bucket, "large", Config=config, ExtraArgs={"Metadata": {"n": "1"}})
        s3.download_file(bucket, "large", back, Config=config)
        with open(back, "rb") as file:
            is_whole = file.read() == data
    head = s3.head_object(Bucket=bucket, Key="large")
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "large-copy", Config=config)
    s3.copy_object(CopySource={"Bucket": bucket, "Key": "large"}, Bucket=bucket, Key="shared copy+ü")
    copies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data for key in ("large-copy", "shared copy+ü")]
    part = s3.get_object(Bucket=bucket, Key="large", PartNumber=4)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="unfinished")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="unfinished", UploadId=upload, PartNumber=2, Body=b"x" * 10)
    listed = s3.list_parts(Bucket=bucket, Key="unfinished", UploadId=upload)["Parts"]
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    s3.abort_multipart_upload(Bucket=bucket, Key="unfinished", UploadId=upload)
    return {
        "whole": is_whole,
        "etag": head["ETag"].endswith('-4"'),
        "metadata": head["Metadata"],
        "copies": copies,
        "part": [part["ContentLength"], part["PartsCount"]],
        "parts": [[one["PartNumber"], one["Size"]] for one in listed],
        "uploads": [one["Key"] for one in uploads],
        "aborted": code_of(lambda: s3.list_parts(Bucket=bucket, Key="unfinished", UploadId=upload)),
    }


def odd_keys(s3: Any, bucket: str) -> dict[str, Any]:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=f"odd/{key}", Body=key.encode())
    found = [s3.get_object(Bucket=bucket, Key=f"odd/{key}")["Body"].read().decode() for key in KEYS]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="odd/", PaginationConfig={"PageSize": 3})
    listed = [one["Key"][4:] for page in pages for one in page.get("Contents", [])]
    first = s3.get_paginator("list_objects").paginate(
        Bucket=bucket, Prefix="odd/", Delimiter="/", PaginationConfig={"PageSize": 2}
    )
    grouped: list[list[str]] = [[], []]
    for page in first:
        grouped[0] += [one["Key"] for one in page.get("Contents", [])]
        grouped[1] += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"odd/{key}"} for key in KEYS]})
    left = s3.list_objects_v2(Bucket=bucket, Prefix="odd/")["KeyCount"]
    return {
        "found": found == KEYS,
        "listed": listed == sorted(KEYS, key=str.encode),
        "grouped": grouped,
        "gone": len(gone["Deleted"]),
        "left": left,
    }


def presigned(_: Any, bucket: str) -> dict[str, Any]:
    s3 = connect(signature_version="s3v4")
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "pre signed"}, ExpiresIn=60)
    request = urllib.request.Request(put, data=b"by url", method="PUT")
    with urllib.request.urlopen(request) as answer:
        empty = answer.read()
    get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "pre signed"}, ExpiresIn=60)
    with urllib.request.urlopen(get) as answer:
        read = answer.read().decode()
    try:
        urllib.request.urlopen(get.replace("pre%20signed", "one"))
        forged = None
    except urllib.error.HTTPError as error:
        forged = [error.code, "SignatureDoesNotMatch" in error.read().decode()]
    return {"empty": empty == b"", "read": read, "forged": forged}


def main() -> None:
    s3, bucket = connect(), f"client-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    answers: dict[str, Any] = {
        "taken": code_of(lambda: s3.create_bucket(Bucket=bucket)),
        "listed": bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]],
    }
    for act in (plain, checksums, multipart, odd_keys, presigned):
        answers[act.__name__] = act(s3, bucket)
    old = connect(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    old.put_object(Bucket=bucket, Key="old", Body=io.BytesIO(b"o" * 100_000))
    answers["old"] = len(old.get_object(Bucket=bucket, Key="old")["Body"].read())
    answers["full"] = code_of(lambda: s3.delete_bucket(Bucket=bucket))
    everything = boto3.resource(
        "s3", endpoint_url=URL, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    ).Bucket(bucket)
    everything.objects.delete()
    s3.delete_bucket(Bucket=bucket)
    answers["gone"] = code_of(lambda: s3.head_bucket(Bucket=bucket))
    print(json.dumps(answers))


if __name__ == "__main__":
    main()

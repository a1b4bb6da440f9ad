"""boto3 and awscli, unmodified, against the S3 gateway."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import CLIENT_SECONDS, SCRIPTS
from tests.live import ROOT, LiveServer

pytestmark = pytest.mark.clients

FOLDER = ROOT / ".clients" / "boto3" / "bin"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def access_key(server: LiveServer) -> tuple[str, str]:
    made = json.loads(server.cli("storage", "keys", "create", "--json").stdout)
    return made["access_key_id"], made["secret_access_key"]


@pytest.fixture
def aws(server: LiveServer, access_key: tuple[str, str], tmp_path: Path) -> Run:
    """`aws` with the key and address in its environment, and no configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ACCESS_KEY_ID": access_key[0],
        "AWS_SECRET_ACCESS_KEY": access_key[1],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"{server.url}/ipop/v1/storage/s3",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(FOLDER / "python"), str(FOLDER / "aws"), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def answers(server: LiveServer, access_key: tuple[str, str]) -> dict[str, Any]:
    url = f"{server.url}/ipop/v1/storage/s3"
    command = [str(FOLDER / "python"), str(SCRIPTS / "boto3_objects.py"), url, *access_key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_boto3_keeps_objects(answers: dict[str, Any]) -> None:
    assert answers["plain"] == {
        "etag": True,
        "got": ["hello", "text/plain", {"colour": "blue"}, "no-store"],
        "head": [5, 'attachment; filename="x"', True],
        "ranged": ["ell", "bytes 1-3/5"],
        "no_range": ["InvalidRange", 416],
        "unchanged": ["304", 304],
        "changed": ["PreconditionFailed", 412],
        "exists": ["PreconditionFailed", 412],
        "absent": [["NoSuchKey", 404], ["404", 404]],
        "no_bucket": ["NoSuchBucket", 404],
    }
    assert answers["old"] == 100_000


def test_boto3_keeps_buckets(answers: dict[str, Any]) -> None:
    assert (answers["taken"], answers["listed"]) == (["BucketAlreadyOwnedByYou", 409], True)
    assert (answers["full"], answers["gone"]) == (["BucketNotEmpty", 409], ["404", 404])


def test_boto3_checks_checksums(answers: dict[str, Any]) -> None:
    sums = dict(answers["checksums"])
    assert sums.pop("wrong") == ["BadDigest", 400]
    assert sums == {name: [True, True] for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")}


def test_boto3_uploads_in_parts(answers: dict[str, Any]) -> None:
    assert answers["multipart"] == {
        "whole": True,
        "etag": True,
        "metadata": {"n": "1"},
        "copies": [True, True],
        "part": [2 * 2**20 + 3, 4],
        "parts": [[2, 10]],
        "uploads": ["unfinished"],
        "aborted": ["NoSuchUpload", 404],
    }


def test_boto3_has_keys_of_any_characters(answers: dict[str, Any]) -> None:
    odd = answers["odd_keys"]
    assert (odd["found"], odd["listed"], odd["gone"], odd["left"]) == (True, True, 11, 0)
    assert odd["grouped"] == [
        ["odd/a b", "odd/a+b", "odd/plain", "odd/q?x=1&y#z%2F", "odd/~-_.!*'()"],
        ["odd/./", "odd//", "odd/a/", "odd/trail/", "odd/ü/"],
    ]


def test_boto3_signs_addresses(answers: dict[str, Any]) -> None:
    assert answers["presigned"] == {"empty": True, "read": "by url", "forged": [403, True]}


def test_awscli_synchronises_folders(aws: Run, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    names = ["a.txt", "deep/er/b c.bin", "ü.txt", "large.bin"]
    for number, name in enumerate(names):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(os.urandom(9 * 2**20 if name == "large.bin" else number * 1000))
    aws("s3", "mb", "s3://folder")
    aws("s3", "sync", str(there), "s3://folder/x")
    assert aws("s3", "sync", str(there), "s3://folder/x").stdout == ""
    aws("s3", "sync", "s3://folder/x", str(back))
    assert {name: (back / name).read_bytes() for name in names} == {name: (there / name).read_bytes() for name in names}
    assert "PRE x/" in aws("s3", "ls", "s3://folder").stdout
    (there / "a.txt").unlink()
    assert "delete: s3://folder/x/a.txt" in aws("s3", "sync", "--delete", str(there), "s3://folder/x").stdout
    aws("s3", "mv", "s3://folder/x/large.bin", "s3://folder/y.bin")
    aws("s3", "rb", "--force", "s3://folder")

"""Which store an address opens, and what is said of one that cannot be."""

from __future__ import annotations

import socket
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import AzureStore, GCSStore, S3Store

from storage.blobs.address import open_blobs
from storage.blobs.bucket import BucketBlobs
from storage.blobs.local import LocalBlobs
from storage.errors import StorageUnavailable

SECRET = "hunter22hunter22"
AWS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ACCOUNT_KEY": "aHVudGVyMjI="}


def test_a_folder_is_files() -> None:
    blobs = open_blobs("file:///var/some%20folder", {})
    assert isinstance(blobs, LocalBlobs)
    assert blobs.folder == Path("/var/some folder")


@pytest.mark.parametrize(
    ("url", "environ", "kind", "prefix"),
    [
        ("s3://bucket", AWS, S3Store, None),
        ("s3://bucket/a/b/?endpoint=http://127.0.0.1:9000&region=us-east-1", AWS, S3Store, "a/b"),
        ("gs://bucket/a?endpoint=http://127.0.0.1:9000", {}, GCSStore, "a"),
        ("az://container/a?account=other", AZURE, AzureStore, "a"),
    ],
)
def test_a_bucket_is_opened_with_its_options(url: str, environ: dict[str, str], kind: type, prefix: str | None) -> None:
    blobs = open_blobs(url, environ)
    assert isinstance(blobs, BucketBlobs)
    store: Any = blobs.store
    assert type(blobs.store) is kind
    assert store.prefix == prefix
    if kind is S3Store:
        assert store.config["region"] == ("us-east-1" if "region" in url else "eu-west-1")


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a", "s3://", "s3:///a", "s3://bucket?secret=x", "file://", "file://host/a", f"s3://me:{SECRET}@bucket"],
)
def test_other_addresses_are_refused_without_their_secret(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|has no") as caught:
        open_blobs(url, AWS)
    assert SECRET not in str(caught.value)


async def test_a_bucket_that_is_away_says_so_and_no_secret() -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    with socket.socket() as taken:  # and not listened on
        taken.bind(("127.0.0.1", 0))
        blobs = open_blobs(f"s3://bucket?endpoint=http://127.0.0.1:{taken.getsockname()[1]}", AWS)
        for act in (blobs.put("a", content()), blobs.get("a"), blobs.size("a"), blobs.delete("a")):
            with pytest.raises(StorageUnavailable) as caught:
                await act
            assert SECRET not in "".join(traceback.format_exception(caught.value))

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from storage.blobs.bucket import BucketBlobs
from storage.blobs.interface import READ_BYTES, Blobs
from storage.blobs.local import LocalBlobs
from storage.errors import StorageUnavailable, UnsafeKey


@pytest.fixture(params=["local", "memory", "obstore_files"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Each kind keeps the same promises."""
    if request.param == "local":
        return LocalBlobs(tmp_path / "blobs")
    return BucketBlobs(MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "blobs", mkdir=True))


@pytest.fixture
def local(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(blobs: Blobs, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
    content = await blobs.get(key, start, stop)
    return None if content is None else b"".join([piece async for piece in content])


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_what_is_put_can_be_read_whole_and_in_part(blobs: Blobs) -> None:
    data = bytes(range(256)) * (READ_BYTES // 100)
    blob = await blobs.put("proj_1/file-1", pieces(data[:1000], b"", data[1000:]))
    assert (blob.key, blob.size_bytes) == ("proj_1/file-1", len(data))
    assert blob.sha256 == hashlib.sha256(data).hexdigest()
    assert await read(blobs, "proj_1/file-1") == data
    assert await read(blobs, "proj_1/file-1", 5, READ_BYTES + 9) == data[5 : READ_BYTES + 9]
    assert await read(blobs, "proj_1/file-1", len(data) - 3) == data[-3:]
    assert await read(blobs, "proj_1/file-1", len(data) + 1) == b""
    assert await blobs.size("proj_1/file-1") == len(data)


async def test_an_absent_blob_is_none_and_a_deleted_one_absent(blobs: Blobs) -> None:
    assert await blobs.get("a") is None
    assert await blobs.size("a") is None
    assert await blobs.delete("a") is False
    await blobs.put("a", pieces())
    assert await blobs.exists("a")
    assert await read(blobs, "a") == b""
    assert await blobs.delete("a") is True
    assert not await blobs.exists("a")


async def test_blobs_of_a_folder_are_listed(blobs: Blobs) -> None:
    for key in ("a/x", "a/b/y", "ab/z", "c"):
        await blobs.put(key, pieces(b"1"))
    assert sorted([key async for key in blobs.list("a")]) == ["a/b/y", "a/x"]
    assert [key async for key in blobs.list("nowhere")] == []


async def test_large_content_in_many_pieces_arrives_whole(blobs: Blobs) -> None:
    piece = bytes(range(256)) * 4096
    blob = await blobs.put("large", pieces(*[piece] * 20))
    assert blob.size_bytes == 20 * len(piece)
    assert blob.sha256 == hashlib.sha256(piece * 20).hexdigest()
    assert await read(blobs, "large", 19 * len(piece) - 3, 19 * len(piece) + 3) == piece[-3:] + piece[:3]


async def test_a_folder_is_no_blob(local: Blobs) -> None:
    blobs = local
    await blobs.put("folder/a", pieces(b"x"))
    assert await blobs.get("folder") is None
    assert await blobs.delete("folder") is False
    assert await blobs.get("folder/a/b") is None
    assert await blobs.delete("folder/a/b") is False
    with pytest.raises(StorageUnavailable):
        await blobs.put("folder/a/b", pieces(b"x"))


@pytest.mark.parametrize("size", [1, 20 * READ_BYTES])
async def test_content_that_fails_on_the_way_changes_nothing(blobs: Blobs, tmp_path: Path, size: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"new" * size
        raise ConnectionResetError

    await blobs.put("a", pieces(b"old"))
    with pytest.raises(ConnectionResetError):
        await blobs.put("a", broken())
    assert await read(blobs, "a") == b"old"
    assert len(files(tmp_path)) == (0 if isinstance(blobs, BucketBlobs) and "Memory" in repr(blobs) else 1)


@pytest.mark.parametrize("size", [100, 20 * READ_BYTES])
async def test_an_upload_that_is_cancelled_leaves_no_file(blobs: Blobs, tmp_path: Path, size: int) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * size
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(blobs.put("a", endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await blobs.exists("a")
    assert files(tmp_path) == []


async def test_a_reader_keeps_the_content_it_began_with(local: Blobs) -> None:
    blobs = local
    await blobs.put("a", pieces(b"1" * READ_BYTES, b"1" * READ_BYTES))
    content = await blobs.get("a")
    assert content is not None
    first = await anext(content)
    await blobs.put("a", pieces(b"2" * 2 * READ_BYTES))
    assert first + b"".join([piece async for piece in content]) == b"1" * 2 * READ_BYTES
    assert await read(blobs, "a") == b"2" * 2 * READ_BYTES


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "..",
        "a/../b",
        "../a",
        "a/..",
        ".",
        "a/./b",
        "a//b",
        "a/",
        "a\x00",
        "a\n",
        "a\\b",
        "ä",
        "a b",
        "a" * 201,
        ".incoming~/a",
        "%2e%2e/a",
    ],
)
async def test_keys_that_could_lead_elsewhere_are_refused(blobs: Blobs, tmp_path: Path, key: str) -> None:
    with pytest.raises(UnsafeKey):
        await blobs.put(key, pieces(b"x"))
    for act in (blobs.get, blobs.size, blobs.exists, blobs.delete):
        with pytest.raises(UnsafeKey):
            await act(key)
    assert files(tmp_path) == []


async def test_dots_inside_names_are_fine(blobs: Blobs) -> None:
    for key in ("a..b/c.txt", "...", ".a", "a/..b"):
        await blobs.put(key, pieces(b"x"))
        assert await read(blobs, key) == b"x"

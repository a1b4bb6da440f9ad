from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.blobs.interface import Blobs
from storage.blobs.local import PIECE_BYTES, LocalBlobs
from storage.errors import StorageUnavailable, UnsafeKey


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
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
    data = bytes(range(256)) * (PIECE_BYTES // 100)
    blob = await blobs.put("proj_1/file-1", pieces(data[:1000], b"", data[1000:]))
    assert (blob.key, blob.size_bytes) == ("proj_1/file-1", len(data))
    assert blob.sha256 == hashlib.sha256(data).hexdigest()
    assert await read(blobs, "proj_1/file-1") == data
    assert await read(blobs, "proj_1/file-1", 5, PIECE_BYTES + 9) == data[5 : PIECE_BYTES + 9]
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


async def test_a_folder_is_no_blob(blobs: Blobs) -> None:
    await blobs.put("folder/a", pieces(b"x"))
    assert await blobs.get("folder") is None
    assert await blobs.delete("folder") is False
    assert await blobs.get("folder/a/b") is None
    assert await blobs.delete("folder/a/b") is False
    with pytest.raises(StorageUnavailable):
        await blobs.put("folder/a/b", pieces(b"x"))


async def test_content_that_fails_on_the_way_changes_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionResetError

    await blobs.put("a", pieces(b"old"))
    with pytest.raises(ConnectionResetError):
        await blobs.put("a", broken())
    assert await read(blobs, "a") == b"old"
    assert len(files(tmp_path)) == 1


async def test_an_upload_that_is_cancelled_leaves_no_file(blobs: Blobs, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 100
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(blobs.put("a", endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


async def test_a_reader_keeps_the_content_it_began_with(blobs: Blobs) -> None:
    await blobs.put("a", pieces(b"1" * PIECE_BYTES, b"1" * PIECE_BYTES))
    content = await blobs.get("a")
    assert content is not None
    first = await anext(content)
    await blobs.put("a", pieces(b"2" * 2 * PIECE_BYTES))
    assert first + b"".join([piece async for piece in content]) == b"1" * 2 * PIECE_BYTES
    assert await read(blobs, "a") == b"2" * 2 * PIECE_BYTES


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

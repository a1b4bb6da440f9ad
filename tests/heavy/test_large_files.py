"""Files of 2 GB go in and out at constant memory, as octets and as a form, while the server answers others."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live import LiveServer, running

pytestmark = pytest.mark.heavy

MIB = 2**20
SIZE = 2**31 - MIB
GROWTH_MEGABYTES = 60.0
BOUNDARY = "the-end-of-a-part"


def highest_megabytes(server: LiveServer) -> float:
    """The most memory that the server has had."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def octets() -> Iterator[bytes]:
    for number in range(SIZE // MIB):
        yield number.to_bytes(4, "big") * (MIB // 4)


def form() -> Iterator[bytes]:
    head = 'Content-Disposition: form-data; name="file"; filename="large.bin"\r\nContent-Type: video/mp4\r\n\r\n'
    yield f"--{BOUNDARY}\r\n{head}".encode()
    yield from octets()
    tail = 'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    yield f"\r\n--{BOUNDARY}\r\n{tail}--{BOUNDARY}--\r\n".encode()


def expected() -> str:
    hashed = hashlib.sha256()
    for piece in octets():
        hashed.update(piece)
    return hashed.hexdigest()


@pytest.mark.parametrize("kind", ["octets", "form"])
def test_two_gigabytes_at_constant_memory(tmp_path: Path, kind: str) -> None:
    content, media_type = octets(), "application/octet-stream"
    if kind == "form":
        content, media_type = form(), f"multipart/form-data; boundary={BOUNDARY}"
    with running(tmp_path) as server, httpx.Client(base_url=server.url, timeout=120) as client:
        client.headers["Authorization"] = f"Bearer {server.key}"
        small = client.post("/ipop/v1/files", files={"file": ("a", b"x")}).raise_for_status().json()
        client.get(f"/ipop/v1/files/{small['id']}/content").raise_for_status()
        before, started = highest_megabytes(server), time.monotonic()
        made = client.post(
            "/ipop/v1/files", content=content, headers={"content-type": media_type, "idempotency-key": "k"}
        )
        uploaded, after_upload = time.monotonic(), highest_megabytes(server)
        file = made.raise_for_status().json()
        hashed, size = hashlib.sha256(), 0
        with client.stream("GET", f"/ipop/v1/files/{file['id']}/content") as answer:
            for piece in answer.iter_bytes():
                hashed.update(piece)
                size += len(piece)
        downloaded, after = time.monotonic(), highest_megabytes(server)
    print(
        f"\n{kind}: {SIZE / MIB:.0f} MiB in at {SIZE / MIB / (uploaded - started):.0f} MiB/s, out at "
        f"{SIZE / MIB / (downloaded - uploaded):.0f} MiB/s; highest memory {before:.0f} MB before, "
        f"{after_upload:.0f} MB after the upload, {after:.0f} MB after the download"
    )
    assert (size, file["bytes"]) == (SIZE, SIZE)
    assert hashed.hexdigest() == file["sha256"] == expected()
    assert after - before <= GROWTH_MEGABYTES

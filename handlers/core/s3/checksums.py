"""Checksums of objects: what S3's clients send along, and what they get back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from handlers.core.s3.faults import S3Fault

CRCS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}
"""In bytes."""
HASHES = ("sha1", "sha256")
ALGORITHMS = (*CRCS, *HASHES)
FULL, COMPOSITE = "FULL_OBJECT", "COMPOSITE"
DEFAULT = "crc64nvme"


class _Crc:
    def __init__(self, algorithm: str) -> None:
        from awscrt import checksums

        self._add: Callable[[bytes, int], int] = getattr(checksums, algorithm)
        self._size = CRCS[algorithm]
        self._value = 0

    def update(self, piece: bytes) -> None:
        self._value = self._add(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class Summing:
    """MD5 and what else is wanted of a body, piece by piece."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._others: dict[str, Any] = {name: _make(name) for name in algorithms}

    async def update(self, piece: bytes) -> None:
        await asyncio.to_thread(self._update, piece)

    def _update(self, piece: bytes) -> None:
        for one in (self._md5, *self._others.values()):
            one.update(piece)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    @property
    def checksums(self) -> dict[str, str]:
        return {name: _text(one.digest()) for name, one in self._others.items()}


def check(wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raises `S3Fault` (`BadDigest`) for a checksum that was sent along and is another."""
    for name, value in wanted.items():
        if found.get(name) != value:
            raise S3Fault("BadDigest", f"the {name.upper()} you specified did not match the content")


def valid(algorithm: str, value: str) -> bool:
    """Whether this could be such a checksum."""
    try:
        return len(base64.b64decode(value, validate=True)) == _size(algorithm)
    except ValueError:
        return False


def etag_of(digests: Sequence[str]) -> str:
    """The ETag of an object made of parts, by theirs."""
    joined = b"".join(bytes.fromhex(digest) for digest in digests)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


def composed(algorithm: str, kind: str, parts: Sequence[tuple[str, int]]) -> str:
    """An object's checksum by its parts' checksums and sizes: of the checksums, or of the whole content."""
    digests = [base64.b64decode(checksum) for checksum, _ in parts]
    if kind == FULL:
        return _text(_joined(algorithm, [(digest, size) for digest, (_, size) in zip(digests, parts, strict=True)]))
    outer = _make(algorithm)
    outer.update(b"".join(digests))
    return f"{_text(outer.digest())}-{len(parts)}"


def _joined(algorithm: str, parts: Sequence[tuple[bytes, int]]) -> bytes:
    from awscrt import checksums

    combine: Callable[[int, int, int], int] = getattr(checksums, f"combine_{algorithm}")
    whole = 0
    for digest, size in parts:
        whole = combine(whole, int.from_bytes(digest, "big"), size)
    return whole.to_bytes(CRCS[algorithm], "big")


def _make(algorithm: str) -> Any:
    return _Crc(algorithm) if algorithm in CRCS else hashlib.new(algorithm, usedforsecurity=False)


def _size(algorithm: str) -> int:
    return CRCS.get(algorithm) or hashlib.new(algorithm, usedforsecurity=False).digest_size


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()

"""Buckets and objects of projects.

As with files, an object is there once its bytes are durable, and not before: its blob is announced, put, and then held
by the row that makes the object. The old content of a key stays readable for who has begun to read it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from handlers.core.files import UPLOAD_SECONDS
from handlers.core.meters import MeterBook
from handlers.core.s3 import checksums
from handlers.core.s3.faults import S3Fault, no_bucket, no_key, no_room
from storage.blobs.interface import Blobs
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.repositories.blobs import BlobRows
from storage.repositories.s3 import (
    BucketNotEmpty,
    BucketTaken,
    NoBucket,
    NoRoom,
    S3Bucket,
    S3Object,
    S3Objects,
    S3Part,
    Terms,
)
from storage.repositories.s3_account import EGRESS, INGRESS, REQUESTS, SECOND_US, STORAGE, S3Accounts
from storage.tables.types import instant

if TYPE_CHECKING:
    from handlers.core.s3.allowance import Allowance

BUCKET_NAME = re.compile(
    r"(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?![.-])|-(?!\.)){1,61}[a-z0-9]", re.ASCII
)
MAX_BUCKETS = 1000
MAX_KEY_BYTES = 1024
MAX_METADATA_BYTES = 8192

Guard = Callable[[S3Object | None], None]
"""Sees what a write would replace, and raises what forbids that."""


def allow(_: S3Object | None) -> None:
    """Whatever is there."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is kept of an object beside its bytes."""

    headers: Mapping[str, str] = field(default_factory=dict)
    user_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewObject:
    """`expect` answers, once the body has come to its end, the checksums that it must have: by algorithm in base64;
    `algorithms` are those that are to be made of it. `content_md5` is hex."""

    bucket: str
    key: str
    described: Described
    algorithms: Sequence[str] = ()
    expect: Callable[[], Mapping[str, str]] = dict
    content_md5: str | None = None
    guard: Guard = allow


@dataclass(frozen=True, slots=True)
class Usage:
    ingress_bytes: int
    egress_bytes: int
    requests: int
    storage_byte_seconds: int


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Every method names the project; what it does not have is `NoSuchBucket` and `NoSuchKey`."""

    database: Database
    blobs: Blobs
    allowance: Allowance
    meters: MeterBook
    clock: Callable[[], float]
    new_id: Callable[[str], str]

    @property
    def rows(self) -> S3Objects:
        return S3Objects(self.database)

    def now_us(self) -> int:
        return int(self.clock() * SECOND_US)

    def count_request(self, project_id: str) -> None:
        self.meters.count(project_id, REQUESTS, 1)

    async def terms(self, project_id: str, guard: Guard = allow, carried_bytes: int = 0) -> Terms:
        return Terms(self.now_us(), await self.allowance.limit_bytes(project_id), guard, carried_bytes)

    async def create_bucket(self, project_id: str, name: str) -> None:
        if not BUCKET_NAME.fullmatch(name):
            raise S3Fault(
                "InvalidBucketName", "a bucket's name has 3 to 63 lower-case letters, digits, dots and dashes"
            )
        try:
            await self.rows.create_bucket(project_id, name, MAX_BUCKETS, self.now_us())
        except BucketTaken:
            raise S3Fault("BucketAlreadyOwnedByYou", f"the bucket {name} exists") from None
        except NoRoom:
            raise S3Fault("TooManyBuckets", f"a project has {MAX_BUCKETS} buckets at most") from None

    async def bucket(self, project_id: str, name: str) -> S3Bucket:
        found = await self.rows.bucket(project_id, name)
        if found is None:
            raise no_bucket(name)
        return found

    async def delete_bucket(self, project_id: str, name: str) -> None:
        with told(name):
            await self.rows.delete_bucket(project_id, name, self.now_us())

    async def get(self, project_id: str, bucket: str, key: str) -> S3Object:
        found = await self.rows.get(project_id, bucket, key)
        if found is None:
            await self.bucket(project_id, bucket)
            raise no_key()
        return found

    async def put(self, project_id: str, new: NewObject, content: AsyncIterator[bytes]) -> S3Object:
        """Reads the body to its end; what it raises is raised, and nothing has changed."""
        check_key(new.key, new.described)
        await self.bucket(project_id, new.bucket)
        part = await self.take(project_id, new, content)
        made = S3Object(
            project_id=project_id,
            bucket=new.bucket,
            key=new.key,
            content_id=self.new_id("content"),
            size_bytes=part.size_bytes,
            etag=part.etag,
            modified_us=part.modified_us,
            headers=dict(new.described.headers),
            user_metadata=dict(new.described.user_metadata),
            checksums=part.checksums,
            checksum_type=checksums.FULL,
        )
        terms = await self.terms(project_id, new.guard, part.size_bytes)
        with told(new.bucket):
            await self.rows.put(made, [part], terms)
        return made

    async def take(self, project_id: str, new: NewObject, content: AsyncIterator[bytes], number: int = 1) -> S3Part:
        """Stores a body as a part that nothing refers to yet, and checks it against what it should be."""
        room = await self.allowance.limit_bytes(project_id)
        summing = checksums.Summing(new.algorithms)

        async def pieces() -> AsyncIterator[bytes]:
            size = 0
            async for piece in content:
                size += len(piece)
                if size > room:
                    raise no_room()
                await summing.update(piece)
                yield piece
            self._check_sums(new, summing)

        blob_key = f"objects/{project_id}/{self.new_id('part')}"
        await BlobRows(self.database).announce(project_id, blob_key, instant(self.clock() + UPLOAD_SECONDS))
        async with aclosing(content), aclosing(pieces()) as arriving:  # type: ignore[type-var]
            blob = await self.blobs.put(blob_key, arriving)
        return S3Part(number, blob_key, blob.size_bytes, summing.md5.hex(), summing.checksums, self.now_us())

    @staticmethod
    def _check_sums(new: NewObject, summing: checksums.Summing) -> None:
        if new.content_md5 is not None and new.content_md5 != summing.md5.hex():
            raise S3Fault("BadDigest", "the Content-MD5 you specified did not match the content")
        checksums.check(new.expect(), summing.checksums)

    async def copy(self, source: S3Object, project_id: str, new: NewObject) -> S3Object:
        """The copy shares the bytes of the source, which is the project's own."""
        check_key(new.key, new.described)
        parts = await self.rows.parts(project_id, source.content_id)
        made = replace(
            source,
            bucket=new.bucket,
            key=new.key,
            content_id=self.new_id("content"),
            modified_us=self.now_us(),
            headers=dict(new.described.headers),
            user_metadata=dict(new.described.user_metadata),
        )
        with told(new.bucket):
            await self.rows.put(made, parts, await self.terms(project_id, new.guard))
        return made

    async def delete(self, project_id: str, bucket: str, keys: Sequence[str], guard: Guard = allow) -> None:
        """Those that are not there are no fault."""
        with told(bucket):
            await self.rows.delete(project_id, bucket, keys, await self.terms(project_id, guard))

    async def open(self, found: S3Object, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to and without `stop`, counted as they go out."""
        parts = await self.rows.parts(found.project_id, found.content_id)
        return self._read(found, parts, start, found.size_bytes if stop is None else stop)

    async def _read(self, found: S3Object, parts: Sequence[S3Part], start: int, stop: int) -> AsyncIterator[bytes]:
        begin = 0
        for part in parts:
            end = begin + part.size_bytes
            if begin < stop and end > start:
                content = await self.blobs.get(part.blob_key, max(start - begin, 0), min(stop, end) - begin)
                if content is None:
                    raise StorageUnavailable(f"the blob {part.blob_key} is gone")
                async with aclosing(content) as pieces:  # type: ignore[type-var]
                    async for piece in pieces:
                        self.meters.count(found.project_id, EGRESS, len(piece))
                        yield piece
            begin = end

    async def usage(self, project_id: str) -> Usage:
        """Of this month, up to now."""
        await S3Accounts(self.database).current(project_id, self.now_us())
        used = await self.meters.of_month(project_id, self.allowance.month)
        return Usage(*(used.get(kind, 0) for kind in (INGRESS, EGRESS, REQUESTS, STORAGE)))

    async def part_range(self, found: S3Object, number: int) -> tuple[int, int]:
        """Where a part begins and ends in its object."""
        parts = await self.rows.parts(found.project_id, found.content_id)
        if not 0 < number <= len(parts):
            raise S3Fault("InvalidPartNumber", "the object has no such part")
        start = sum(part.size_bytes for part in parts[: number - 1])
        return start, start + parts[number - 1].size_bytes


@contextmanager
def told(bucket: str) -> Iterator[None]:
    """What storage raises, as a fault."""
    try:
        yield
    except NoBucket:
        raise no_bucket(bucket) from None
    except BucketNotEmpty:
        raise S3Fault("BucketNotEmpty", f"the bucket {bucket} holds objects") from None
    except NoRoom:
        raise no_room() from None


def check_key(key: str, described: Described = Described()) -> None:
    if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise S3Fault("KeyTooLongError", f"a key has {MAX_KEY_BYTES} bytes at most")
    if "\0" in key:
        raise S3Fault("InvalidArgument", "a key must not hold a NUL")
    if sum(len(name) + len(value) for name, value in described.user_metadata.items()) > MAX_METADATA_BYTES:
        raise S3Fault("MetadataTooLarge", f"an object's metadata have {MAX_METADATA_BYTES} bytes at most")

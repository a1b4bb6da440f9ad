"""Multipart uploads: parts that come one by one, in any order, and make one object when all are there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from handlers.core.s3 import checksums
from handlers.core.s3.faults import S3Fault, no_room, no_upload
from handlers.core.s3.store import Guard, NewObject, ObjectStore, allow, check_key, told
from storage.repositories.s3 import NoRoom, S3Object, S3Part
from storage.repositories.s3_uploads import NoUpload, S3Upload, S3Uploads

MAX_PARTS = 10_000
LEAST_PART_BYTES = 5 * 2**20
MAX_OBJECT_BYTES = 5 * 2**40


@dataclass(frozen=True, slots=True)
class PartClaim:
    """A part as its sender names it on completion."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    claims: Sequence[PartClaim]
    checksums: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    guard: Guard = allow


@dataclass(frozen=True, slots=True)
class Uploads:
    """Every method names the project, and raises `NoSuchUpload` for one that it does not have under way."""

    objects: ObjectStore
    least_part_bytes: int = LEAST_PART_BYTES

    @property
    def rows(self) -> S3Uploads:
        return S3Uploads(self.objects.database)

    async def create(
        self, project_id: str, new: NewObject, algorithm: str | None, checksum_type: str | None
    ) -> S3Upload:
        check_key(new.key, new.described)
        kind = checksum_type or (checksums.FULL if algorithm in (None, "crc64nvme") else checksums.COMPOSITE)
        if kind == checksums.FULL and algorithm in checksums.HASHES:
            raise S3Fault("InvalidRequest", f"{algorithm} cannot be made of a whole object by its parts")
        upload = S3Upload(
            id=self.objects.new_id("upload"),
            project_id=project_id,
            bucket=new.bucket,
            key=new.key,
            initiated_us=self.objects.now_us(),
            headers=dict(new.described.headers),
            user_metadata=dict(new.described.user_metadata),
            checksum_algorithm=algorithm,
            checksum_type=kind,
        )
        with told(new.bucket):
            await self.rows.insert(upload)
        return upload

    async def get(self, project_id: str, bucket: str, key: str, upload_id: str) -> S3Upload:
        found = await self.rows.get(project_id, upload_id)
        if found is None or (found.bucket, found.key) != (bucket, key):
            await self.objects.bucket(project_id, bucket)
            raise no_upload()
        return found

    async def put_part(self, upload: S3Upload, number: int, new: NewObject, content: AsyncIterator[bytes]) -> S3Part:
        if not 0 < number <= MAX_PARTS:
            raise S3Fault("InvalidArgument", f"a part's number is from 1 to {MAX_PARTS}")
        own = [upload.checksum_algorithm] if upload.checksum_algorithm else []
        new = replace(new, algorithms=tuple(dict.fromkeys([*new.algorithms, *own])))
        part = await self.objects.take(upload.project_id, new, content, number)
        terms = await self.objects.terms(upload.project_id, carried_bytes=part.size_bytes)
        try:
            await self.rows.put_part(upload, part, terms)
        except NoUpload:
            raise no_upload() from None
        except NoRoom:
            raise no_room() from None
        return part

    async def complete(self, upload: S3Upload, completion: Completion) -> S3Object:
        terms = await self.objects.terms(upload.project_id, completion.guard)
        try:
            with told(upload.bucket):
                return await self.rows.complete(
                    upload,
                    lambda parts: _assemble(upload, completion, self._chosen(completion.claims, parts), terms.now_us),
                    terms,
                )
        except NoUpload:
            raise no_upload() from None

    def _chosen(self, claims: Sequence[PartClaim], parts: Sequence[S3Part]) -> list[S3Part]:
        chosen = _chosen(claims, {part.number: part for part in parts})
        if any(part.size_bytes < self.least_part_bytes for part in chosen[:-1]):
            raise S3Fault("EntityTooSmall", f"every part but the last has {self.least_part_bytes} bytes or more")
        return chosen

    async def completed(self, project_id: str, bucket: str, key: str, upload_id: str) -> S3Object | None:
        """The object that a completion made whose answer was lost."""
        found = await self.objects.rows.get(project_id, bucket, key)
        return found if found is not None and found.content_id == upload_id else None

    async def abort(self, upload: S3Upload) -> None:
        try:
            await self.rows.abort(upload, self.objects.now_us())
        except NoUpload:
            raise no_upload() from None

    async def parts(self, upload: S3Upload) -> list[S3Part]:
        return await self.objects.rows.parts(upload.project_id, upload.id)


def _assemble(
    upload: S3Upload, completion: Completion, chosen: Sequence[S3Part], now_us: int
) -> tuple[S3Object, Sequence[int]]:
    size = sum(part.size_bytes for part in chosen)
    if size > MAX_OBJECT_BYTES or (completion.size_bytes is not None and completion.size_bytes != size):
        raise S3Fault("InvalidRequest", "the object's size is not the one that was announced, or too large")
    made = S3Object(
        project_id=upload.project_id,
        bucket=upload.bucket,
        key=upload.key,
        content_id=upload.id,
        size_bytes=size,
        etag=checksums.etag_of([part.etag for part in chosen]),
        modified_us=now_us,
        headers=upload.headers,
        user_metadata=upload.user_metadata,
        checksums=_summed(upload, completion, chosen),
        checksum_type=upload.checksum_type,
        part_count=len(chosen),
    )
    return made, [part.number for part in chosen]


def _chosen(claims: Sequence[PartClaim], there: Mapping[int, S3Part]) -> list[S3Part]:
    if not claims:
        raise S3Fault("MalformedXML", "the completion names no part")
    numbers = [claim.number for claim in claims]
    if numbers != sorted(set(numbers)):
        raise S3Fault("InvalidPartOrder", "parts must be named in the order of their numbers")
    chosen = []
    for claim in claims:
        part = there.get(claim.number)
        if part is None or part.etag != claim.etag:
            raise S3Fault("InvalidPart", f"part {claim.number} was not uploaded, or is another")
        for name, value in claim.checksums.items():
            if name in part.checksums and part.checksums[name] != value:
                raise S3Fault("InvalidPart", f"part {claim.number} has another {name}")
        chosen.append(part)
    return chosen


def _summed(upload: S3Upload, completion: Completion, chosen: Sequence[S3Part]) -> dict[str, str]:
    algorithm = upload.checksum_algorithm
    if algorithm is None:
        return {}
    whole = checksums.composed(
        algorithm, upload.checksum_type, [(part.checksums[algorithm], part.size_bytes) for part in chosen]
    )
    wanted = completion.checksums.get(algorithm)
    if wanted is not None and wanted.partition("-")[0] != whole.partition("-")[0]:
        raise S3Fault("BadDigest", f"the {algorithm.upper()} you specified did not match the object")
    return {algorithm: whole}

"""Object storage as S3's clients know it: buckets, objects, multipart uploads, access keys, allocations."""

from handlers.core.s3.access_keys import AccessKeys, IssuedAccessKey
from handlers.core.s3.allowance import Allowance, StorageTariff
from handlers.core.s3.faults import S3Fault
from handlers.core.s3.listing import Listing, Page, Wanted
from handlers.core.s3.store import Described, Guard, NewObject, ObjectStore
from handlers.core.s3.uploads import Completion, PartClaim, Uploads
from storage.repositories.s3 import S3Bucket, S3Object, S3Part
from storage.repositories.s3_uploads import S3Upload

__all__ = [
    "AccessKeys",
    "Allowance",
    "Completion",
    "Described",
    "Guard",
    "IssuedAccessKey",
    "Listing",
    "NewObject",
    "ObjectStore",
    "Page",
    "PartClaim",
    "S3Bucket",
    "S3Fault",
    "S3Object",
    "S3Part",
    "S3Upload",
    "StorageTariff",
    "Uploads",
    "Wanted",
]

"""What goes wrong in object storage, by the codes that S3's clients act on."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.errors import CoreError

STATUSES = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IncompleteBody": 400,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartNumber": 416,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedXML": 400,
    "MetadataTooLarge": 400,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "QuotaExceeded": 403,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "TooManyBuckets": 400,
    "XAmzContentChecksumMismatch": 400,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Fault(CoreError):
    """`code` is S3's own."""

    def __init__(self, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, code=code, headers=headers)
        self.status = STATUSES[code]


def no_bucket(name: str) -> S3Fault:
    return S3Fault("NoSuchBucket", f"there is no bucket {name}")


def no_key() -> S3Fault:
    return S3Fault("NoSuchKey", "there is no object of this key")


def no_upload() -> S3Fault:
    return S3Fault("NoSuchUpload", "there is no such upload: it was completed, aborted or never begun")


def no_room() -> S3Fault:
    return S3Fault("QuotaExceeded", "the project's storage allocation is used up")

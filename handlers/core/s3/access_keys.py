"""Access keys: an id that is sent, and a secret that signs and is shown once."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from handlers.core.call import Caller
from handlers.core.errors import Invalid, NotFound
from handlers.core.sealing import Seal
from storage.repositories.s3_keys import S3Key, S3Keys
from storage.tables.types import instant

TOUCHED_SECONDS = 60
MAX_NAME_LENGTH = 256


@dataclass(frozen=True, slots=True)
class IssuedAccessKey:
    key: S3Key
    secret: str


@dataclass(frozen=True, slots=True)
class AccessKeys:
    rows: S3Keys
    seal: Seal
    clock: Callable[[], float]
    randomness: Callable[[int], bytes] = secrets.token_bytes

    async def create(self, project_id: str, name: str) -> IssuedAccessKey:
        if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise Invalid(f"a name has 1 to {MAX_NAME_LENGTH} printable characters", param="name")
        key_id = "CK" + base64.b32encode(self.randomness(12)).decode().rstrip("=")[:18]
        secret = base64.b64encode(self.randomness(30)).decode()
        sealed = await self.seal.seal(secret.encode(), _about(key_id))
        key = S3Key(key_id, project_id, name, sealed, secret[-4:], instant(self.clock()))
        await self.rows.insert(key)
        return IssuedAccessKey(key, secret)

    async def find(self, key_id: str) -> tuple[Caller, str] | None:
        """Who it speaks for, and its secret. Raises `Unavailable` when that cannot be opened."""
        found = await self.rows.in_force(key_id)
        if found is None:
            return None
        key, project = found
        secret = (await self.seal.open(key.sealed_secret, _about(key_id))).decode()
        now = self.clock()
        if key.last_used_at is None or now - key.last_used_at.timestamp() > TOUCHED_SECONDS:
            await self.rows.touch(key_id, instant(now))
        return Caller(key.project_id, project, key_id), secret

    async def list(self, project_id: str) -> Sequence[S3Key]:
        """Newest first."""
        return await self.rows.list(project_id)

    async def revoke(self, project_id: str, key_id: str) -> S3Key:
        revoked = await self.rows.revoke(project_id, key_id, instant(self.clock()))
        if revoked is None:
            raise NotFound(f"there is no access key {key_id}", code="access_key_not_found")
        return revoked


def _about(key_id: str) -> str:
    return f"s3 access key {key_id}"

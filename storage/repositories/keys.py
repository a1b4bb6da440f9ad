"""API keys and admin tokens, stored as sha256 digests (hex)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from storage.database import Database, Transaction
from storage.tables.tenancy import AdminTokenRow, KeyRow, ProjectRow
from storage.tables.types import Instant, core, plain

KEYS = core(KeyRow)
PROJECTS = core(ProjectRow)
TOKENS = core(AdminTokenRow)


@dataclass(frozen=True, slots=True)
class Key:
    """`models` and `apis` are what the key is limited to, None for no limit. `replaced_by` is the id of the key that a
    rotation made; until `expires_at` both work."""

    id: str
    project_id: str
    name: str
    digest: str
    prefix: str
    last4: str
    created_at: datetime
    models: frozenset[str] | None = None
    apis: frozenset[str] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class AdminToken:
    id: str
    name: str
    digest: str
    last4: str
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    database: Database

    async def insert(self, tx: Transaction, key: Key) -> None:
        """Raises `StorageConflict` when the same key is there, in any project."""
        await tx.execute(KEYS.insert().values(_row(key)))

    async def presented(self, digest: str) -> tuple[Key, str] | None:
        """A key that is neither revoked nor in a deleted project, whether expired or not, and its project's slug."""
        query = (
            select(KEYS, PROJECTS.c.slug)
            .join(PROJECTS, PROJECTS.c.id == KEYS.c.project_id)
            .where(KEYS.c.digest == digest, KEYS.c.revoked_at.is_(None), PROJECTS.c.deleted_at.is_(None))
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        fields = plain(row)
        slug = fields.pop("slug")
        return _key(fields), slug

    async def get(self, project_id: str, key_id: str, tx: Transaction | None = None) -> Key | None:
        query = select(KEYS).where(KEYS.c.project_id == project_id, KEYS.c.id == key_id)
        async with self.database.reading(tx) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _key(plain(row))

    async def owner(self, digest: str) -> str | None:
        """The id of the project that has a key with this digest, revoked or not."""
        async with self.database.reading() as connection:
            found: str | None = await connection.scalar(select(KEYS.c.project_id).where(KEYS.c.digest == digest))
        return found

    async def list(self, project_id: str) -> list[Key]:
        """Newest first."""
        query = select(KEYS).where(KEYS.c.project_id == project_id).order_by(KEYS.c.created_at.desc(), KEYS.c.id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [_key(plain(row)) for row in rows]

    async def change(self, tx: Transaction, key: Key) -> None:
        """Writes every field of a key that is there."""
        mine = (KEYS.c.project_id == key.project_id) & (KEYS.c.id == key.id)
        await tx.execute(update(KEYS).where(mine).values(_row(key)))

    async def delete(self, tx: Transaction, project_id: str, key_id: str) -> None:
        await tx.execute(delete(KEYS).where(KEYS.c.project_id == project_id, KEYS.c.id == key_id))

    async def touch(self, used: Mapping[str, datetime]) -> None:
        """Notes when keys (by id) were last used; the later of two processes' times stands."""
        at = bindparam("at", type_=Instant)
        older = KEYS.c.last_used_at.is_(None) | (KEYS.c.last_used_at < at)
        statement = update(KEYS).where(KEYS.c.id == bindparam("key_id"), older).values(last_used_at=at)
        # one order of rows in every process, or two Postgres transactions could wait for each other
        rows = [{"key_id": key_id, "at": moment} for key_id, moment in sorted(used.items())]
        async with self.database.writing() as tx:
            await tx.execute(statement, rows)


@dataclass(frozen=True, slots=True)
class AdminTokens:
    database: Database

    async def insert(self, tx: Transaction, token: AdminToken) -> None:
        """Raises `StorageConflict` when the same token is there."""
        await tx.execute(TOKENS.insert().values({name: getattr(token, name) for name in AdminToken.__slots__}))

    async def presented(self, digest: str) -> AdminToken | None:
        """A token with this digest, revoked or not."""
        async with self.database.reading() as connection:
            row = (await connection.execute(select(TOKENS).where(TOKENS.c.digest == digest))).one_or_none()
        return None if row is None else AdminToken(**plain(row))

    async def list(self) -> list[AdminToken]:
        async with self.database.reading() as connection:
            rows = await connection.execute(select(TOKENS).order_by(TOKENS.c.created_at.desc(), TOKENS.c.id))
        return [AdminToken(**plain(row)) for row in rows]

    async def revoke(self, tx: Transaction, token_id: str, at: datetime) -> bool:
        """False when there is no such token in force."""
        mine = (TOKENS.c.id == token_id) & TOKENS.c.revoked_at.is_(None)
        return (await tx.execute(update(TOKENS).where(mine).values(revoked_at=at))).rowcount == 1


def _key(fields: dict[str, Any]) -> Key:
    for scope in ("models", "apis"):
        fields[scope] = None if fields[scope] is None else frozenset(fields[scope])
    return Key(**fields)


def _row(key: Key) -> dict[str, Any]:
    fields = {name: getattr(key, name) for name in Key.__slots__}
    for scope in ("models", "apis"):
        fields[scope] = None if fields[scope] is None else sorted(fields[scope])
    return fields

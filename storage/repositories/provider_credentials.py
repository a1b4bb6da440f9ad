"""Keys of vendors that projects bring, sealed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, select, update

from storage.database import Database
from storage.lookups.lookup import Lookup
from storage.tables.secrets import ProviderCredentialRow
from storage.tables.types import core, plain

CREDENTIALS = core(ProviderCredentialRow)


@dataclass(frozen=True, slots=True)
class ProviderCredential:
    """`provider` is a vendor row's name; `base_url` None is where the vendor is for everybody. `last_error` is of the
    last test, None when it went well."""

    id: str
    project_id: str
    provider: str
    label: str
    sealed_key: bytes = field(repr=False)
    last4: str
    base_url: str | None
    enabled: bool
    created_at: datetime
    last_tested_at: datetime | None = None
    last_error: str | None = None
    last_used_at: datetime | None = None


NEWEST_FIRST = (CREDENTIALS.c.created_at.desc(), CREDENTIALS.c.id.desc())
OF_PROJECT = Lookup(CREDENTIALS, ("project_id",), ProviderCredential, order_by=NEWEST_FIRST)


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    database: Database

    async def insert(self, credential: ProviderCredential) -> None:
        async with self.database.writing() as tx:
            await tx.execute(CREDENTIALS.insert().values(asdict(credential)))

    async def get(self, project_id: str, credential_id: str) -> ProviderCredential | None:
        query = select(CREDENTIALS).where(_one(project_id, credential_id))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else ProviderCredential(**plain(row))

    async def list(self, project_id: str) -> list[ProviderCredential]:
        """Newest first."""
        return await self.database.find_all(OF_PROJECT, project_id)

    async def change(self, credential: ProviderCredential) -> bool:
        """Writes everything but when it was last used; False when the project has no such credential."""
        fixed = ("id", "project_id", "created_at", "last_used_at")
        values = {name: value for name, value in asdict(credential).items() if name not in fixed}
        mine = _one(credential.project_id, credential.id)
        async with self.database.writing() as tx:
            return (await tx.execute(update(CREDENTIALS).where(mine).values(values))).rowcount == 1

    async def touch(self, project_id: str, credential_id: str, at: datetime) -> None:
        async with self.database.writing() as tx:
            await tx.execute(update(CREDENTIALS).where(_one(project_id, credential_id)).values(last_used_at=at))

    async def delete(self, project_id: str, credential_id: str) -> bool:
        """False when there was none."""
        async with self.database.writing() as tx:
            return (await tx.execute(delete(CREDENTIALS).where(_one(project_id, credential_id)))).rowcount == 1


def _one(project_id: str, credential_id: str) -> ColumnElement[bool]:
    return and_(CREDENTIALS.c.project_id == project_id, CREDENTIALS.c.id == credential_id)

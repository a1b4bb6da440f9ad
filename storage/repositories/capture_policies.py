"""Projects' own policies on what is kept of the content of their requests."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from storage.database import Database
from storage.lookups.lookup import Lookup
from storage.tables.captured import CapturePolicyRow
from storage.tables.tenancy import ProjectRow
from storage.tables.types import core, plain

POLICIES = core(CapturePolicyRow)
PROJECTS = core(ProjectRow)


@dataclass(frozen=True, slots=True)
class PolicyRow:
    project_id: str
    policy: dict[str, Any]
    updated_at: datetime
    updated_by: str


POLICY = Lookup(POLICIES, ("project_id",), PolicyRow)


@dataclass(frozen=True, slots=True)
class CapturePolicies:
    database: Database

    async def get(self, project_id: str) -> dict[str, Any] | None:
        found = await self.database.find(POLICY, project_id)
        return None if found is None else found.policy

    async def put(self, row: PolicyRow) -> None:
        values = asdict(row)
        statement = self.database.insert(POLICIES).values(values)
        async with self.database.writing() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["project_id"], set_=values))

    async def count(self) -> int:
        async with self.database.reading() as connection:
            return int((await connection.execute(select(func.count()).select_from(POLICIES))).scalar_one())

    async def list(self) -> list[tuple[str, PolicyRow]]:
        """Each with its project's slug, in the slugs' order."""
        query = select(PROJECTS.c.slug, *POLICIES.c).join(PROJECTS, PROJECTS.c.id == POLICIES.c.project_id)
        async with self.database.reading() as connection:
            rows = (await connection.execute(query.order_by(PROJECTS.c.slug))).all()
        return [(fields.pop("slug"), PolicyRow(**fields)) for fields in map(plain, rows)]

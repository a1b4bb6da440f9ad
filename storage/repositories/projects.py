"""Projects: the tenants."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Select, delete, select, update

from storage.database import Database, Transaction
from storage.repositories.jobs import Jobs
from storage.tables.app_telemetry import AppEventRow
from storage.tables.captured import CapturedMessageRow, CapturePolicyRow
from storage.tables.chats import ChatCompletionRow, ContainerRow, SubmodelRow, TraceEntryRow
from storage.tables.history import RequestFeedbackRow
from storage.tables.jobs import JobScheduleRow
from storage.tables.responses import ResponseRow
from storage.tables.secrets import ProviderCredentialRow
from storage.tables.spending import CreditAccountRow, LimitRow, LimitWindowRow
from storage.tables.tenancy import KeyRow, ProjectRow
from storage.tables.traffic import IdempotencyRow, RegisteredModelRow
from storage.tables.types import core, plain

PROJECTS = core(ProjectRow)
BELONGINGS = tuple(
    core(table)
    for table in (
        KeyRow,
        LimitRow,
        LimitWindowRow,
        CreditAccountRow,
        IdempotencyRow,
        RegisteredModelRow,
        ChatCompletionRow,
        TraceEntryRow,
        RequestFeedbackRow,
        SubmodelRow,
        ContainerRow,
        ResponseRow,
        ProviderCredentialRow,
        JobScheduleRow,
        CapturedMessageRow,
        CapturePolicyRow,
        AppEventRow,
    )
)
"""What goes with a deleted project. Its requests and credit entries stay, for its bills, and jobs until they end."""


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    organisation_id: str
    slug: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Projects:
    """Deleted projects are seen by none of these."""

    database: Database

    async def insert(self, tx: Transaction, project: Project) -> None:
        """Raises `StorageConflict` when the slug is taken or the organisation is not there."""
        await tx.execute(PROJECTS.insert().values(asdict(project)))

    async def find(self, slug: str, tx: Transaction | None = None) -> Project | None:
        async with self.database.reading(tx) as connection:
            row = (await connection.execute(_live().where(PROJECTS.c.slug == slug))).one_or_none()
        return None if row is None else Project(**plain(row))

    async def get(self, project_id: str) -> Project | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(_live().where(PROJECTS.c.id == project_id))).one_or_none()
        return None if row is None else Project(**plain(row))

    async def list(self, organisation_id: str | None = None) -> list[Project]:
        query = _live().order_by(PROJECTS.c.slug)
        if organisation_id is not None:
            query = query.where(PROJECTS.c.organisation_id == organisation_id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [Project(**plain(row)) for row in rows]

    async def delete(self, tx: Transaction, project_id: str, at: datetime) -> None:
        for table in BELONGINGS:
            await tx.execute(delete(table).where(table.c.project_id == project_id))
        await Jobs(self.database).abandon(tx, project_id, at)
        await tx.execute(update(PROJECTS).where(PROJECTS.c.id == project_id).values(deleted_at=at))


def _live() -> Select[tuple[object, ...]]:
    columns = [column for column in PROJECTS.c if column.name != "deleted_at"]
    return select(*columns).where(PROJECTS.c.deleted_at.is_(None))

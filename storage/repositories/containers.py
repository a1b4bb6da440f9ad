"""Containers and the models attached to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from storage.database import Database
from storage.lookups.lookup import Lookup
from storage.tables.chats import ContainerRow, SubmodelRow
from storage.tables.types import core, plain

CONTAINERS = core(ContainerRow)
SUBMODELS = core(SubmodelRow)


@dataclass(frozen=True, slots=True)
class Container:
    """`default_parameters` are as the client gave them, `options` what they mean under OpenAI's names."""

    id: str
    project_id: str
    label: str
    api: str
    initial_model: str
    created_at: datetime
    default_model: str | None = None
    default_system_prompt: str | None = None
    default_parameters: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    default_few_shot_messages: list[dict[str, Any]] | None = None

    @property
    def model(self) -> str:
        return self.default_model or self.initial_model


@dataclass(frozen=True, slots=True)
class Submodel:
    """`slug` is folded: `/` where the client may write `:`."""

    id: str
    container_id: str
    project_id: str
    slug: str
    model: str
    created_at: datetime
    default_system_prompt: str | None = None
    default_parameters: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)


LIVE = CONTAINERS.c.deleted_at.is_(None)
BY_LABEL = Lookup(CONTAINERS, ("project_id", "label"), Container, LIVE)
BY_ID = Lookup(CONTAINERS, ("project_id", "id"), Container, LIVE)
BY_SLUG = Lookup(SUBMODELS, ("project_id", "container_id", "slug"), Submodel)


@dataclass(frozen=True, slots=True)
class Containers:
    """Deleted containers are seen by none of these."""

    database: Database

    async def insert(self, container: Container) -> None:
        """Raises `StorageConflict` when the project has a container of this label."""
        async with self.database.writing() as tx:
            await tx.execute(CONTAINERS.insert().values(asdict(container)))

    async def find(self, project_id: str, label: str) -> Container | None:
        return await self.database.find(BY_LABEL, project_id, label)

    async def get(self, project_id: str, container_id: str) -> Container | None:
        return await self.database.find(BY_ID, project_id, container_id)

    async def list(self, project_id: str, *, limit: int | None = None, offset: int = 0) -> list[Container]:
        """Newest first."""
        query = _live().where(CONTAINERS.c.project_id == project_id)
        query = query.order_by(CONTAINERS.c.created_at.desc(), CONTAINERS.c.id.desc()).limit(limit).offset(offset)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [Container(**plain(row)) for row in rows]

    async def count(self, project_id: str) -> int:
        mine = select(func.count()).select_from(CONTAINERS).where(CONTAINERS.c.project_id == project_id, LIVE)
        async with self.database.reading() as connection:
            return int((await connection.execute(mine)).scalar_one())

    async def change(self, project_id: str, container_id: str, changes: dict[str, Any]) -> Container | None:
        """Writes these columns alone, so that two changes of different ones both hold."""
        mine = (CONTAINERS.c.project_id == project_id) & (CONTAINERS.c.id == container_id) & LIVE
        if changes:
            async with self.database.writing() as tx:
                await tx.execute(update(CONTAINERS).where(mine).values(changes))
        return await self.get(project_id, container_id)

    async def delete(self, project_id: str, container_id: str, at: datetime) -> bool:
        """False when there was none."""
        mine = (CONTAINERS.c.project_id == project_id) & (CONTAINERS.c.id == container_id) & LIVE
        async with self.database.writing() as tx:
            await tx.execute(
                delete(SUBMODELS).where(SUBMODELS.c.project_id == project_id, SUBMODELS.c.container_id == container_id)
            )
            return (await tx.execute(update(CONTAINERS).where(mine).values(deleted_at=at))).rowcount == 1

    async def attach(self, submodel: Submodel) -> Submodel:
        """Replaces what the container had under this slug, save its `id` and `created_at`."""
        fields = asdict(submodel)
        changed = {name: fields[name] for name in ("model", "default_system_prompt", "default_parameters", "options")}
        statement = self.database.insert(SUBMODELS).values(fields)
        statement = statement.on_conflict_do_update(index_elements=["container_id", "slug"], set_=changed)
        async with self.database.writing() as tx:
            row = (await tx.execute(statement.returning(*SUBMODELS.c))).one()
        return Submodel(**plain(row))

    async def submodels(self, project_id: str, container_id: str) -> Sequence[Submodel]:
        """Newest first."""
        query = select(SUBMODELS).where(SUBMODELS.c.project_id == project_id, SUBMODELS.c.container_id == container_id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(SUBMODELS.c.created_at.desc(), SUBMODELS.c.slug))
        return [Submodel(**plain(row)) for row in rows]

    async def submodel(self, project_id: str, container_id: str, slug: str) -> Submodel | None:
        return await self.database.find(BY_SLUG, project_id, container_id, slug)


def _live() -> Select[Any]:
    return select(*(column for column in CONTAINERS.c if column.name != "deleted_at")).where(LIVE)

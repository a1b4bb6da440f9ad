"""Models that projects register, next to the catalog's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from storage.database import Database
from storage.lookups.lookup import Lookup
from storage.tables.traffic import RegisteredModelRow
from storage.tables.types import core

MODELS = core(RegisteredModelRow)


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """`provider_resource_id` is the provider's own name for the model `provider_id` serves."""

    project_id: str
    identifier: str
    provider_resource_id: str
    provider_id: str
    model_type: str
    created_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict)


MODEL = Lookup(MODELS, ("project_id", "identifier"), RegisteredModel)
OF_PROJECT = Lookup(MODELS, ("project_id",), RegisteredModel, order_by=(MODELS.c.identifier,))


@dataclass(frozen=True, slots=True)
class RegisteredModels:
    database: Database

    async def put(self, model: RegisteredModel) -> None:
        """Replaces what the project had under this identifier, save its `created_at`."""
        fields = asdict(model)
        changed = {name: value for name, value in fields.items() if name != "created_at"}
        statement = self.database.insert(MODELS).values(fields)
        async with self.database.writing() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["project_id", "identifier"], set_=changed))

    async def get(self, project_id: str, identifier: str) -> RegisteredModel | None:
        return await self.database.find(MODEL, project_id, identifier)

    async def list(self, project_id: str) -> list[RegisteredModel]:
        return await self.database.find_all(OF_PROJECT, project_id)

    async def delete(self, project_id: str, identifier: str) -> bool:
        """False when there was none."""
        mine = (MODELS.c.project_id == project_id) & (MODELS.c.identifier == identifier)
        async with self.database.writing() as tx:
            return (await tx.execute(delete(MODELS).where(mine))).rowcount == 1

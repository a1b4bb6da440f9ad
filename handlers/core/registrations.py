"""The models that projects registered, remembered for a moment, since every chat looks them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from handlers.core.catalog import Kind
from handlers.core.services import Registration
from storage.repositories.models import RegisteredModel, RegisteredModels

REMEMBERED_SECONDS = 1.0
MAX_PROJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Registrations:
    """A `services.RegisteredModels` over the repository. What another process registers is seen within
    `REMEMBERED_SECONDS`, what this one does at once."""

    repository: RegisteredModels
    clock: Callable[[], float]
    _remembered: dict[str, tuple[float, Sequence[Registration]]] = field(default_factory=dict)

    async def list(self, project_id: str) -> Sequence[Registration]:
        now = self.clock()
        known = self._remembered.get(project_id)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = [_registration(row) for row in await self.repository.list(project_id)]
        if len(self._remembered) >= MAX_PROJECTS:
            self._remembered.clear()
        self._remembered[project_id] = (now, found)
        return found

    async def put(self, project_id: str, model: Registration) -> Registration:
        row = RegisteredModel(
            project_id=project_id,
            identifier=model.model_id,
            provider_resource_id=model.provider_model_id,
            provider_id=model.provider_id,
            model_type=model.kind,
            created_at=datetime.fromtimestamp(model.created, UTC),
            metadata=dict(model.metadata),
        )
        await self.repository.put(row)
        self._remembered.pop(project_id, None)
        return model

    async def remove(self, project_id: str, model_id: str) -> bool:
        removed = await self.repository.delete(project_id, model_id)
        self._remembered.pop(project_id, None)
        return removed


def _registration(row: RegisteredModel) -> Registration:
    return Registration(
        model_id=row.identifier,
        provider_id=row.provider_id,
        provider_model_id=row.provider_resource_id,
        kind=cast("Kind", row.model_type),
        metadata=row.metadata,
        created=int(row.created_at.timestamp()),
    )

"""The models that projects registered, remembered for a moment, since every chat looks them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from storage.repositories.models import RegisteredModel, RegisteredModels

REMEMBERED_SECONDS = 1.0
MAX_PROJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Remembered:
    at: float
    models: Sequence[RegisteredModel]
    by_id: Mapping[str, RegisteredModel]


@dataclass(frozen=True, slots=True)
class Registrations:
    """`storage.repositories.models.RegisteredModels` with a memory. What another process registers is seen within
    `REMEMBERED_SECONDS`, what this one does at once."""

    repository: RegisteredModels
    clock: Callable[[], float]
    _remembered: dict[str, Remembered] = field(default_factory=dict)

    async def list(self, project_id: str) -> Sequence[RegisteredModel]:
        return (await self._of(project_id)).models

    async def get(self, project_id: str, identifier: str) -> RegisteredModel | None:
        return (await self._of(project_id)).by_id.get(identifier)

    async def look(self, project_id: str, identifier: str) -> RegisteredModel | None:
        """Past the memory, for what is not in it: a model that another process has just registered works at once."""
        found = await self.repository.get(project_id, identifier)
        if found is not None:
            self._remembered.pop(project_id, None)
        return found

    async def put(self, model: RegisteredModel) -> None:
        try:
            await self.repository.put(model)
        finally:
            self._remembered.pop(model.project_id, None)

    async def delete(self, project_id: str, identifier: str) -> bool:
        try:
            return await self.repository.delete(project_id, identifier)
        finally:
            self._remembered.pop(project_id, None)

    async def _of(self, project_id: str) -> Remembered:
        now = self.clock()
        known = self._remembered.get(project_id)
        if known is not None and now - known.at < REMEMBERED_SECONDS:
            return known
        models = tuple(await self.repository.list(project_id))
        if len(self._remembered) >= MAX_PROJECTS:
            self._remembered.clear()
        found = Remembered(now, models, {model.identifier: model for model in models})
        self._remembered[project_id] = found
        return found

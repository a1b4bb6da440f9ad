"""The models that projects registered, remembered for a moment, since every chat looks them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from storage.repositories.models import RegisteredModel, RegisteredModels

REMEMBERED_SECONDS = 1.0
MAX_PROJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Registrations:
    """`storage.repositories.models.RegisteredModels` with a memory. What another process registers is seen within
    `REMEMBERED_SECONDS`, what this one does at once."""

    repository: RegisteredModels
    clock: Callable[[], float]
    _remembered: dict[str, tuple[float, dict[str, RegisteredModel]]] = field(default_factory=dict)

    async def list(self, project_id: str) -> Sequence[RegisteredModel]:
        return tuple((await self._of(project_id)).values())

    async def get(self, project_id: str, identifier: str) -> RegisteredModel | None:
        return (await self._of(project_id)).get(identifier)

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

    async def _of(self, project_id: str) -> dict[str, RegisteredModel]:
        now = self.clock()
        known = self._remembered.get(project_id)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = {model.identifier: model for model in await self.repository.list(project_id)}
        if len(self._remembered) >= MAX_PROJECTS:
            self._remembered.clear()
        self._remembered[project_id] = (now, found)
        return found

"""The lists of models that were made before, for as long as nothing that they are made of has changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from storage.repositories.containers import Container, Containers

if TYPE_CHECKING:
    from handlers.core.models import Offer

REMEMBERED_SECONDS = 1.0
MOST_KNOWN = 1000
MOST_SHOWN = 16


@dataclass(slots=True)
class ModelList:
    """Never changed by whoever gets it. `sources` are what it was made of."""

    offers: Sequence[Offer]
    sources: tuple[Any, ...]
    _shown: dict[Hashable, bytes] = field(default_factory=dict)

    def show(self, how: Hashable, render: Callable[[Sequence[Offer]], Any]) -> bytes:
        """What `render` made of the offers, as JSON; `how` tells it from what others make of them."""
        shown = self._shown.get(how)
        if shown is None:
            if len(self._shown) >= MOST_SHOWN:
                self._shown.clear()
            shown = self._shown[how] = orjson.dumps(render(self.offers))
        return shown


@dataclass(frozen=True, slots=True)
class ModelLists:
    """By whom they are for."""

    _known: dict[Hashable, ModelList] = field(default_factory=dict)

    def get(self, whom: Hashable, sources: tuple[Any, ...], make: Callable[[], Sequence[Offer]]) -> ModelList:
        known = self._known.get(whom)
        if known is None or known.sources != sources:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[whom] = ModelList(make(), sources)
        known.sources = sources  # read anew they may be equal, but only of the same can that be told at once
        return known


@dataclass(frozen=True, slots=True)
class ContainerLists:
    """A project's containers, remembered for a moment, since every list of models has them. What another process
    changes is seen within `REMEMBERED_SECONDS`, what this one does at once (`forget`)."""

    _known: dict[str, tuple[float, Sequence[Container]]] = field(default_factory=dict)

    async def of(self, project_id: str, containers: Containers, now: float) -> Sequence[Container]:
        known = self._known.get(project_id)
        if known is not None and 0 <= now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = await containers.list(project_id)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[project_id] = (now, found)
        return found

    def forget(self, project_id: str) -> None:
        self._known.pop(project_id, None)

"""A kind of job: its name and the function that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handlers.core.jobs.run import Run


@dataclass(frozen=True, slots=True)
class Definition:
    """`work` answers the job's result, a JSON value, or raises `CoreError` for a job that failed.

    A step that fails with an error that retrying may mend is tried `tries` times, `backoff_seconds` after the first
    time, twice that after the second and so on. With a `cron` (in UTC) the server makes such a job by itself.
    """

    kind: str
    work: Callable[[Run], Awaitable[Any]]
    tries: int = 4
    backoff_seconds: float = 1.0
    cron: str | None = None


class Definitions:
    """All kinds of jobs that this process knows, by name."""

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        self._by_kind = {definition.kind: definition for definition in definitions}

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self._by_kind)

    def of(self, kind: str) -> Definition:
        """Raises `KeyError`."""
        return self._by_kind[kind]

    def scheduled(self) -> Iterable[tuple[Definition, str]]:
        """Those with a cron, and it."""
        return [(definition, definition.cron) for definition in self._by_kind.values() if definition.cron]

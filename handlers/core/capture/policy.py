"""How much of what is said is kept: the server's policy, or a project's own in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from handlers.core.call import Call
from handlers.core.capture.redaction import RULE_SETS
from handlers.core.errors import Invalid, NotFound
from storage.repositories.capture_policies import CapturePolicies, PolicyRow
from storage.repositories.projects import Projects
from storage.tables.types import instant

REMEMBERED_SECONDS = 1.0
MAX_PROJECTS = 10_000

Mode = Literal["off", "sampled", "all"]


@dataclass(frozen=True, slots=True)
class Policy:
    """`sample_rate`, from 0 to 1, is of requests and counts when the mode is `sampled`. `redaction_rule_id` names one
    of `RULE_SETS`."""

    mode: Mode = "off"
    sample_rate: float = 1.0
    retention_days: int = 30
    redact: bool = True
    max_chars_per_message: int = 32_000
    redaction_rule_id: str | None = None

    @property
    def rule_set(self) -> str | None:
        """None where nothing is taken out."""
        return (self.redaction_rule_id or "default") if self.redact else None


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies with a memory, since every chat asks for one. What another process sets is seen within
    `REMEMBERED_SECONDS`, what this one does at once. `default` is for projects without one of their own; `clock` is
    monotonic."""

    repository: CapturePolicies
    projects: Projects
    default: Policy
    clock: Callable[[], float]
    _remembered: dict[str, tuple[float, Policy]] = field(default_factory=dict)

    async def of(self, project_id: str) -> Policy:
        now = self.clock()
        known = self._remembered.get(project_id)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        found = await self.repository.get(project_id)
        policy = Policy(**found) if found else self.default
        if len(self._remembered) >= MAX_PROJECTS:
            self._remembered.clear()
        self._remembered[project_id] = (now, policy)
        return policy

    async def set(self, row: PolicyRow) -> None:
        try:
            await self.repository.put(row)
        finally:
            self._remembered.pop(row.project_id, None)


async def get_policy(project: str, call: Call) -> Policy:
    """Of the caller's own project, by slug or id. Raises `NotFound` for any other."""
    return await call.services.capture.policies.of(_own(project, call))


async def set_policy(project: str, wanted: dict[str, Any], call: Call) -> Policy:
    """Of the caller's own project. Raises `NotFound` and `Invalid`."""
    return await _set(_own(project, call), wanted, call.caller.key_id or "anonymous", call)


async def set_policy_of(project: str, wanted: dict[str, Any], call: Call) -> Policy:
    """Of any project, by slug or id, for an administrator. Raises `NotFound` and `Invalid`."""
    projects = call.services.capture.policies.projects
    found = None
    if "\0" not in project:
        found = await projects.find(project) or await projects.get(project)
    if found is None:
        raise NotFound(f"there is no project {project}", code="project_not_found")
    return await _set(found.id, wanted, "admin", call)


async def list_policies(call: Call) -> list[tuple[str, PolicyRow]]:
    """Every project that has its own, by slug."""
    return await call.services.capture.policies.repository.list()


def _own(project: str, call: Call) -> str:
    if project not in (call.caller.project, call.caller.project_id):
        raise NotFound(f"there is no project {project}", code="project_not_found")
    return call.caller.project_id


async def _set(project_id: str, wanted: dict[str, Any], by: str, call: Call) -> Policy:
    policy = Policy(**wanted)
    if policy.redaction_rule_id is not None and policy.redaction_rule_id not in RULE_SETS:
        message = f"redaction_rule_id must be one of {', '.join(RULE_SETS)}"
        raise Invalid(message, code="unknown_redaction_rule", param="redaction_rule_id")
    if max(policy.retention_days, policy.max_chars_per_message) >= 2**31:
        raise Invalid("retention_days and max_chars_per_message must be below 2147483648")
    row = PolicyRow(project_id, asdict(policy), instant(call.services.clock()), by)
    await call.services.capture.policies.set(row)
    return policy

"""The first organisation, project, key and admin token."""

from __future__ import annotations

from dataclasses import dataclass, field

from handlers.core.errors import Conflict
from handlers.core.keys.secrets import digest
from handlers.core.keys.tenancy import DEFAULT, Act, KeyDraft, Tenancy
from storage.repositories.keys import AdminTokens, Keys
from storage.repositories.organisations import Organisation, Organisations
from storage.repositories.projects import Project, Projects

ACTOR = "bootstrap"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the configuration gives: pairs of a project's slug and a key's text, and an admin token's."""

    keys: tuple[tuple[str, str], ...] = ()
    admin_token: str | None = None

    @classmethod
    def parse(cls, keys: str, admin_token: str | None = None) -> Bootstrap:
        """Reads `project=key,project=key`. Raises `ValueError`."""
        pairs = []
        for item in filter(None, (item.strip() for item in keys.split(","))):
            project, equals, key = item.partition("=")
            if not (project and equals and key):
                raise ValueError("bootstrap keys are written project=key,project=key")
            pairs.append((project, key))
        return cls(tuple(pairs), admin_token)


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """What a first start made and nobody has seen yet; None for what the configuration gave."""

    project: str
    key: str | None = field(repr=False)
    admin_token: str | None = field(repr=False)


async def bootstrap(tenancy: Tenancy, given: Bootstrap) -> FirstSecrets | None:
    """Makes sure of the organisation and project `default` and of what is given, at each start.

    What is given and was revoked stays revoked. A first start without keys makes one, and one without an admin token
    makes that; answers None when there is nothing to show. Raises `Conflict` when a given key is another project's.
    """
    first = await _is_first(tenancy)
    for project, given_key in given.keys:
        await _ensure_key(tenancy, project, given_key)
    if given.admin_token is not None:
        await _ensure_admin_token(tenancy, given.admin_token)
    if not first or (given.keys and given.admin_token):
        return None
    key = None if given.keys else (await tenancy.create_key(ACTOR, DEFAULT, KeyDraft(name="first"))).secret
    token = None if given.admin_token else await tenancy.create_admin_token(ACTOR, "first")
    return FirstSecrets(DEFAULT, key, token)


async def _is_first(tenancy: Tenancy) -> bool:
    """Whether this very process made the organisation and project `default`."""
    if await Organisations(tenancy.database).find(DEFAULT) is not None:
        return False
    organisation = Organisation(tenancy.new_id("org"), DEFAULT, DEFAULT, tenancy.now())
    project = Project(tenancy.new_id("proj"), organisation.id, DEFAULT, DEFAULT, tenancy.now())
    try:
        async with tenancy.acting(Act(ACTOR, "project.create", DEFAULT, project.id)) as tx:
            await Organisations(tenancy.database).insert(tx, organisation)
            await Projects(tenancy.database).insert(tx, project)
    except Conflict:
        return False  # another process was quicker
    return True


async def _ensure_admin_token(tenancy: Tenancy, secret: str) -> None:
    """Of several processes that start at once the slower ones find it made."""
    tokens = AdminTokens(tenancy.database)
    if await tokens.presented(digest(secret)) is not None:
        return
    try:
        await tenancy.add_admin_token(ACTOR, "bootstrap", secret)
    except Conflict:
        if await tokens.presented(digest(secret)) is None:
            raise


async def _ensure_key(tenancy: Tenancy, slug: str, secret: str) -> None:
    await _ensure_project(tenancy, slug)
    project, keys = await tenancy.project(slug), Keys(tenancy.database)
    owner = await keys.owner(digest(secret))
    if owner is None:
        try:
            await tenancy.add_key(ACTOR, slug, secret, KeyDraft(name="bootstrap"))
        except Conflict:
            owner = await keys.owner(digest(secret))
    if owner is not None and owner != project.id:
        raise Conflict(f"a bootstrap key of project {slug!r} belongs to another project")


async def _ensure_project(tenancy: Tenancy, slug: str) -> None:
    projects = Projects(tenancy.database)
    if await projects.find(slug) is not None:
        return
    try:
        await tenancy.create_project(ACTOR, slug)
    except Conflict:
        if await projects.find(slug) is None:
            raise

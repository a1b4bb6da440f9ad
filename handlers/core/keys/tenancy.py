"""What administrators do to organisations, projects, keys, limits and credits.

Each act and its line in the audit log are one transaction, which also moves the change counter, so that running
servers notice within a second. Raises `NotFound`, `Conflict` (a name is taken) and `Invalid`.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.keys.secrets import Randomness, digest, generate_admin_token, generate_key, last4, prefix
from storage.database import Database, Transaction
from storage.errors import StorageConflict
from storage.repositories.audit import Audit, Entry
from storage.repositories.changes import Changes
from storage.repositories.credits import Credits
from storage.repositories.keys import AdminToken, AdminTokens, Key, Keys
from storage.repositories.limits import Limit, Limits
from storage.repositories.organisations import Organisation, Organisations
from storage.repositories.projects import Project, Projects
from storage.tables.types import instant

DEFAULT = "default"
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A key to be made. Empty `models` and `apis` (None) mean no limit."""

    name: str = "key"
    models: frozenset[str] | None = None
    apis: frozenset[str] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """`secret` is the key's text, which is nowhere else from now on."""

    key: Key
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rates:
    """None limits nothing."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    micro_usd_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A line for the audit log: `verb` is `<noun>.<verb>`."""

    actor: str
    verb: str
    target: str
    project_id: str | None = None
    detail: dict[str, object] | None = None


def new_id(noun: str) -> str:
    return f"{noun}_{uuid.uuid4().hex[:24]}"


@dataclass(frozen=True, slots=True)
class Tenancy:
    database: Database
    clock: Callable[[], float] = time.time
    new_id: Callable[[str], str] = new_id
    randomness: Randomness = secrets.token_bytes

    # organisations and projects

    async def create_organisation(self, actor: str, slug: str, name: str | None = None) -> Organisation:
        check_slug(slug)
        organisation = Organisation(self.new_id("org"), slug, name or slug, self.now())
        async with self.acting(Act(actor, "organisation.create", slug)) as tx:
            await Organisations(self.database).insert(tx, organisation)
        return organisation

    async def list_organisations(self) -> list[Organisation]:
        return await Organisations(self.database).list()

    async def delete_organisation(self, actor: str, slug: str) -> None:
        """Raises `Conflict` while it has, or ever had, projects: their bills need it."""
        organisation = await self.organisation(slug)
        async with self.acting(Act(actor, "organisation.delete", slug)) as tx:
            await Organisations(self.database).delete(tx, organisation.id)

    async def create_project(
        self, actor: str, slug: str, name: str | None = None, organisation: str = DEFAULT
    ) -> Project:
        check_slug(slug)
        owner = await self.organisation(organisation)
        project = Project(self.new_id("proj"), owner.id, slug, name or slug, self.now())
        async with self.acting(Act(actor, "project.create", slug, project.id)) as tx:
            await Projects(self.database).insert(tx, project)
        return project

    async def list_projects(self, organisation: str | None = None) -> list[Project]:
        owner = None if organisation is None else (await self.organisation(organisation)).id
        return await Projects(self.database).list(owner)

    async def delete_project(self, actor: str, slug: str) -> None:
        """Takes its keys, limits, account and models with it; its requests and credit entries stay, for its bills."""
        project = await self.project(slug)
        async with self.acting(Act(actor, "project.delete", slug, project.id)) as tx:
            await Projects(self.database).delete(tx, project.id, self.now())

    # keys

    async def create_key(self, actor: str, project: str, draft: KeyDraft) -> IssuedKey:
        return await self.add_key(actor, project, generate_key(self.randomness), draft)

    async def add_key(self, actor: str, project: str, secret: str, draft: KeyDraft) -> IssuedKey:
        """A key whose text is given. Raises `Conflict` when any project has the same."""
        owner = await self.project(project)
        issued = self._issued(owner.id, secret, draft)
        async with self.acting(Act(actor, "key.create", issued.key.id, owner.id, {"name": draft.name})) as tx:
            await Keys(self.database).insert(tx, issued.key)
        return issued

    async def list_keys(self, project: str) -> list[Key]:
        """Newest first, revoked and expired ones included."""
        return await Keys(self.database).list((await self.project(project)).id)

    async def revoke_key(self, actor: str, project: str, key_id: str) -> Key:
        """The key stops working, and stays in the list. Revoking twice changes nothing."""
        owner = await self.project(project)
        async with self.acting(Act(actor, "key.revoke", key_id, owner.id)) as tx:
            key = await self._key(tx, owner, key_id)
            revoked = replace(key, revoked_at=key.revoked_at or self.now())
            await Keys(self.database).change(tx, revoked)
        return revoked

    async def rotate_key(self, actor: str, project: str, key_id: str, overlap_seconds: float = 0.0) -> IssuedKey:
        """Makes a key with the old one's name, scopes and limits; the old one works for `overlap_seconds` more.

        Raises `Conflict` for a key that is revoked, expired or was rotated before.
        """
        owner = await self.project(project)
        act = Act(actor, "key.rotate", key_id, owner.id, {"overlap_seconds": overlap_seconds})
        async with self.acting(act) as tx:
            old = await self._key(tx, owner, key_id)
            if old.revoked_at or old.replaced_by or (old.expires_at and old.expires_at <= self.now()):
                raise Conflict(f"key {key_id} is not in force any more", code="key_not_active")
            heir = KeyDraft(old.name, old.models, old.apis, old.expires_at)
            issued = self._issued(owner.id, generate_key(self.randomness), heir)
            ends = instant(self.clock() + overlap_seconds)
            ends = min(ends, old.expires_at) if old.expires_at else ends
            await Keys(self.database).insert(tx, issued.key)
            await Keys(self.database).change(tx, replace(old, expires_at=ends, replaced_by=issued.key.id))
            limits = Limits(self.database)
            for limit in await limits.of(owner.id, (key_id,), tx):
                await limits.put(tx, replace(limit, subject_id=issued.key.id))
        return issued

    async def delete_key(self, actor: str, project: str, key_id: str) -> None:
        owner = await self.project(project)
        async with self.acting(Act(actor, "key.delete", key_id, owner.id)) as tx:
            await self._key(tx, owner, key_id)
            await Limits(self.database).delete(tx, owner.id, key_id)
            await Keys(self.database).delete(tx, owner.id, key_id)

    # admin tokens

    async def create_admin_token(self, actor: str, name: str) -> str:
        """The token's text, which is nowhere else from now on."""
        secret = generate_admin_token(self.randomness)
        await self.add_admin_token(actor, name, secret)
        return secret

    async def add_admin_token(self, actor: str, name: str, secret: str) -> None:
        """Raises `Conflict` when there is the same token, revoked or not."""
        token = AdminToken(self.new_id("adm"), name, digest(secret), last4(secret), self.now())
        async with self.acting(Act(actor, "admin_token.create", token.id)) as tx:
            await AdminTokens(self.database).insert(tx, token)

    async def list_admin_tokens(self) -> list[AdminToken]:
        return await AdminTokens(self.database).list()

    async def revoke_admin_token(self, actor: str, token_id: str) -> None:
        async with self.acting(Act(actor, "admin_token.revoke", token_id)) as tx:
            if not await AdminTokens(self.database).revoke(tx, token_id, self.now()):
                raise NotFound(f"no admin token {token_id!r} in force", code="admin_token_not_found")

    # limits and credits

    async def set_limits(self, actor: str, project: str, rates: Rates, key_id: str | None = None) -> Limit:
        """Limits a project, or one of its keys beside it; all None lifts the limit."""
        numbers = {name: getattr(rates, name) for name in Rates.__slots__}
        if any(number is not None and number < 0 for number in numbers.values()):
            raise Invalid("a limit cannot be negative")
        owner = await self.project(project)
        limit = Limit(key_id or owner.id, owner.id, **numbers)
        async with self.acting(Act(actor, "limits.set", limit.subject_id, owner.id, dict(numbers))) as tx:
            if key_id is not None:
                await self._key(tx, owner, key_id)
            await Limits(self.database).put(tx, limit)
        return limit

    async def show_limits(self, project: str, key_id: str | None = None) -> Limit:
        owner = await self.project(project)
        subject_id = key_id or owner.id
        return await Limits(self.database).get(owner.id, subject_id) or Limit(subject_id, owner.id)

    async def set_credits(self, actor: str, project: str, balance_micros: int | None) -> None:
        """A balance in micro-dollars; None lets the project spend without limit."""
        owner = await self.project(project)
        detail: dict[str, object] = {"balance_micros": balance_micros}
        async with self.acting(Act(actor, "credits.set", project, owner.id, detail)) as tx:
            await Credits(self.database).set(tx, owner.id, balance_micros, self.now())

    async def show_credits(self, project: str) -> int | None:
        """Micro-dollars; None when the project is unlimited."""
        return await Credits(self.database).balance((await self.project(project)).id)

    async def list_audit(self, project: str | None = None, limit: int = 100) -> list[Entry]:
        """Newest first; every project's without a slug."""
        project_id = None if project is None else (await self.project(project)).id
        return await Audit(self.database).list(project_id, limit)

    # what the acts share

    async def organisation(self, slug: str) -> Organisation:
        found = await Organisations(self.database).find(slug)
        if found is None:
            raise NotFound(f"no organisation {slug!r}", code="organisation_not_found")
        return found

    async def project(self, slug: str) -> Project:
        found = await Projects(self.database).find(slug)
        if found is None:
            raise NotFound(f"no project {slug!r}", code="project_not_found")
        return found

    @asynccontextmanager
    async def acting(self, act: Act) -> AsyncIterator[Transaction]:
        try:
            async with self.database.writing(settled=True) as tx:
                await Changes(self.database).bump(tx)
                yield tx
                entry = Entry(self.now(), act.actor, act.verb, act.target, act.project_id, act.detail)
                await Audit(self.database).append(tx, entry)
        except StorageConflict as error:
            raise Conflict(f"{act.target!r} is taken or in use") from error

    def now(self) -> datetime:
        return instant(self.clock())

    def _issued(self, project_id: str, secret: str, draft: KeyDraft) -> IssuedKey:
        key = Key(
            id=self.new_id("key"),
            project_id=project_id,
            name=draft.name,
            digest=digest(secret),
            prefix=prefix(secret),
            last4=last4(secret),
            created_at=self.now(),
            models=draft.models,
            apis=draft.apis,
            expires_at=draft.expires_at,
        )
        return IssuedKey(key, secret)

    async def _key(self, tx: Transaction, owner: Project, key_id: str) -> Key:
        found = await Keys(self.database).get(owner.id, key_id, tx)
        if found is None:
            raise NotFound(f"no key {key_id!r} in project {owner.slug!r}", code="key_not_found")
        return found


def check_slug(slug: str) -> None:
    if not SLUG.fullmatch(slug):
        raise Invalid(
            "a slug is 1 to 63 lower-case letters, digits and hyphens, and neither starts nor ends with a hyphen",
            code="invalid_slug",
        )

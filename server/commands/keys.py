"""API keys of a project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.commands.acts import ACTOR, Project, act
from server.commands.output import WRONG, AsJson, Yes, complain, confirm, print_row, print_rows

if TYPE_CHECKING:
    from handlers.core.keys import IssuedKey
    from storage.repositories.keys import Key

app = typer.Typer(help="API keys of a project.", no_args_is_help=True)
KeyId = Annotated[str, typer.Argument(help="The key's id, as `list` shows it.")]
COLUMNS = ("id", "name", "key", "state", "models", "apis", "created_at", "last_used_at", "expires_at")


@app.command()
def create(
    *,
    project: Project = "default",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    models: Annotated[str | None, typer.Option(help="Only these models, separated by commas.")] = None,
    apis: Annotated[str | None, typer.Option(help="Only these APIs, separated by commas.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Days until it expires.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once."""
    from handlers.core.keys import KeyDraft

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    draft = KeyDraft(name, _names(models), _apis(apis), expires_at)
    show_issued(act(lambda tenancy: tenancy.create_key(ACTOR, project, draft)), project, as_json)


@app.command("list")
def list_(project: Project = "default", as_json: AsJson = False) -> None:
    """List the project's keys, newest first."""
    found = act(lambda tenancy: tenancy.list_keys(project))
    print_rows(COLUMNS, [describe(key, datetime.now(UTC)) for key in found], as_json)


@app.command()
def revoke(key_id: KeyId, project: Project = "default", as_json: AsJson = False) -> None:
    """Stop a key; it stays in the list."""
    revoked = act(lambda tenancy: tenancy.revoke_key(ACTOR, project, key_id))
    print_row(describe(revoked, datetime.now(UTC)), as_json)


@app.command()
def rotate(
    key_id: KeyId,
    project: Project = "default",
    overlap_seconds: Annotated[float, typer.Option(min=0, help="How long the old key still works.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Make a key in the place of an old one and print it, once."""
    issued = act(lambda tenancy: tenancy.rotate_key(ACTOR, project, key_id, overlap_seconds))
    show_issued(issued, project, as_json)


@app.command()
def delete(key_id: KeyId, project: Project = "default", yes: Yes = False) -> None:
    """Delete a key and its limits."""
    confirm(f"Delete key {key_id} of project {project}?", yes)
    act(lambda tenancy: tenancy.delete_key(ACTOR, project, key_id))


def show_issued(issued: IssuedKey, project: str, as_json: bool) -> None:
    described = describe(issued.key, datetime.now(UTC))
    print_row({**described, "project": project, "key": issued.secret}, as_json)
    complain("the key is shown this once; only its hash is kept")


def describe(key: Key, now: datetime) -> dict[str, Any]:
    """What may be seen of a key that is there."""
    return {
        "id": key.id,
        "name": key.name,
        "key": f"{key.prefix}...{key.last4}",
        "state": _state(key, now),
        "models": sorted(key.models) if key.models is not None else None,
        "apis": sorted(key.apis) if key.apis is not None else None,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "replaced_by": key.replaced_by,
    }


def _state(key: Key, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "rotated" if key.replaced_by is not None else "active"


def _names(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(name.strip() for name in text.split(",") if name.strip())


def _apis(text: str | None) -> frozenset[str] | None:
    from server.config.kinds import APIS, slug

    names = _names(text)
    if names is None:
        return None
    slugs = frozenset(str(slug(name)) for name in names)
    for unknown in slugs.difference(APIS):
        complain(f"there is no API {unknown}; there are {', '.join(APIS)}")
        raise typer.Exit(WRONG)
    return slugs

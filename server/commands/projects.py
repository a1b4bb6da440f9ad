"""Projects: the tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.acts import ACTOR, act
from server.commands.output import AsJson, Yes, complain, confirm, print_row, print_rows

if TYPE_CHECKING:
    from handlers.core.keys import IssuedKey, Tenancy
    from storage.repositories.keys import Key

app = typer.Typer(help="Projects: the tenants.", no_args_is_help=True)
Slug = Annotated[str, typer.Argument(help="The project's slug: lower-case letters, digits and hyphens.")]
Organisation = Annotated[str, typer.Option(help="The slug of the organisation that owns it.")]


@app.command()
def create(
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="A name for people; else the slug.")] = None,
    organisation: Organisation = "default",
    as_json: AsJson = False,
) -> None:
    """Make a project."""
    print_row(act(lambda tenancy: tenancy.create_project(ACTOR, slug, name, organisation)), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all projects."""
    print_rows(("slug", "name", "id", "created_at"), act(lambda tenancy: tenancy.list_projects()), as_json)


@app.command()
def revoke(slug: Slug, yes: Yes = False) -> None:
    """Stop every key of a project."""
    confirm(f"Revoke every key of project {slug}?", yes)

    async def work(tenancy: Tenancy) -> int:
        keys = await in_force(tenancy, slug)
        for key in keys:
            await tenancy.revoke_key(ACTOR, slug, key.id)
        return len(keys)

    complain(f"{act(work)} keys revoked")


@app.command()
def rotate(
    slug: Slug,
    overlap_seconds: Annotated[float, typer.Option(min=0, help="How long the old keys still work.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Make a key in the place of each key of a project that is in force, and print them, once."""

    async def work(tenancy: Tenancy) -> list[tuple[Key, IssuedKey]]:
        keys = await in_force(tenancy, slug)
        return [(key, await tenancy.rotate_key(ACTOR, slug, key.id, overlap_seconds)) for key in keys]

    rows = [
        {"replaces": old.id, "id": issued.key.id, "name": issued.key.name, "key": issued.secret}
        for old, issued in act(work)
    ]
    print_rows(("replaces", "id", "name", "key"), rows, as_json)
    complain("the keys are shown this once; only their hashes are kept")


@app.command()
def delete(slug: Slug, yes: Yes = False) -> None:
    """Delete a project with its keys and limits; its requests stay, for its bills."""
    confirm(f"Delete project {slug}?", yes)
    act(lambda tenancy: tenancy.delete_project(ACTOR, slug))


async def in_force(tenancy: Tenancy, slug: str) -> list[Key]:
    """Keys that are neither revoked, expired nor rotated."""
    now = tenancy.now()
    return [
        key
        for key in await tenancy.list_keys(slug)
        if not key.revoked_at and not key.replaced_by and not (key.expires_at and key.expires_at <= now)
    ]

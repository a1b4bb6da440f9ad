"""Object storage: the access keys that S3's clients sign with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from server.commands.acts import Project
from server.commands.output import AsJson, complain, faults_in_words, print_row, print_rows

if TYPE_CHECKING:
    from handlers.core.s3 import AccessKeys
    from server.config import Settings
    from storage.repositories.s3_keys import S3Key

Result = TypeVar("Result")
app = typer.Typer(help="Object storage.", no_args_is_help=True)
keys = typer.Typer(help="Access keys, with which S3's clients sign.", no_args_is_help=True)
app.add_typer(keys, name="keys")
KeyId = Annotated[str, typer.Argument(help="The access key's id, as `list` shows it.")]
COLUMNS = ("access_key_id", "name", "secret", "state", "created_at", "last_used_at")


@app.callback()
def group() -> None:
    """Keeps `keys` a sub-command while it is the only one."""


@keys.command()
def create(
    project: Project = "default",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    as_json: AsJson = False,
) -> None:
    """Make an access key and print its secret, once."""
    issued = _act(project, lambda book, project_id: book.create(project_id, name))
    print_row({**_describe(issued.key), "project": project, "secret_access_key": issued.secret}, as_json)
    complain("the secret is shown this once; it is kept sealed")


@keys.command("list")
def list_(project: Project = "default", as_json: AsJson = False) -> None:
    """List the project's access keys, newest first."""
    found = _act(project, lambda book, project_id: book.list(project_id))
    print_rows(COLUMNS, [_describe(key) for key in found], as_json)


@keys.command()
def revoke(key_id: KeyId, project: Project = "default", as_json: AsJson = False) -> None:
    """Stop an access key; it stays in the list."""
    print_row(_describe(_act(project, lambda book, project_id: book.revoke(project_id, key_id))), as_json)


def _describe(key: S3Key) -> dict[str, Any]:
    return {
        "access_key_id": key.id,
        "name": key.name,
        "secret": f"...{key.last4}",
        "state": "active" if key.revoked_at is None else "revoked",
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


def _act(project: str, work: Callable[[AccessKeys, str], Awaitable[Result]]) -> Result:
    from server import config

    with faults_in_words():
        return asyncio.run(_with_keys(config.load().settings, project, work))


async def _with_keys(settings: Settings, project: str, work: Callable[[AccessKeys, str], Awaitable[Result]]) -> Result:
    from functools import partial

    from handlers.core.keys import Tenancy
    from handlers.core.s3 import AccessKeys
    from handlers.core.sealing import Seal
    from server.secret_key import secret_key
    from storage.database import Database
    from storage.repositories.s3_keys import S3Keys

    database = Database.open(settings.database_url.get_secret_value())
    try:
        await database.ensure_current()
        owner = await Tenancy(database).project(project)
        return await work(AccessKeys(S3Keys(database), Seal(partial(secret_key, settings)), time.time), owner.id)
    finally:
        await database.close()

"""Acts on the configured database, without a running server; servers that run notice within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from server.commands.output import faults_in_words

if TYPE_CHECKING:
    from handlers.core.keys import Tenancy
    from server.config import Settings

Result = TypeVar("Result")
Project = Annotated[str, typer.Option(help="The project's slug.")]

ACTOR = "cli"
"""Who acts, for the audit log."""


def act(work: Callable[[Tenancy], Awaitable[Result]]) -> Result:
    """Opens the database, does the work and closes it. Ends the command when the work raises.

    On a database that is new this is the first start, as it would be for a server.
    """
    from server import config

    with faults_in_words():
        return asyncio.run(_run(config.load().settings, work))


async def _run(settings: Settings, work: Callable[[Tenancy], Awaitable[Result]]) -> Result:
    from handlers.core.keys import Tenancy, bootstrap
    from server import first_start
    from storage.database import Database

    database = Database.open(settings.database_url.get_secret_value())
    try:
        await database.ensure_current()
        tenancy = Tenancy(database)
        first = await bootstrap(tenancy, first_start.given(settings))
        if first is not None:
            typer.echo(first_start.greeting(first), err=True)
        return await work(tenancy)
    finally:
        await database.close()

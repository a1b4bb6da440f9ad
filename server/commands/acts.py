"""Acts on the configured database, without a running server; servers that run notice within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from server.commands.output import faults_in_words

if TYPE_CHECKING:
    from handlers.core.keys import Tenancy

Result = TypeVar("Result")
Project = Annotated[str, typer.Option(help="The project's slug.")]

ACTOR = "cli"
"""Who acts, for the audit log."""


def act(work: Callable[[Tenancy], Awaitable[Result]]) -> Result:
    """Opens the database, does the work and closes it. Ends the command when the work raises."""
    from handlers.core.keys import Tenancy
    from server import config
    from storage.database import Database

    async def run(url: str) -> Result:
        database = Database.open(url)
        try:
            await database.ensure_current()
            return await work(Tenancy(database))
        finally:
            await database.close()

    with faults_in_words():
        return asyncio.run(run(config.load().settings.database_url.get_secret_value()))

"""The database itself."""

from __future__ import annotations

import asyncio

import typer

from server.commands.output import faults_in_words

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `upgrade` a sub-command while it is the only one."""


@app.command()
def upgrade() -> None:
    """Bring the database's tables up to this version; other processes wait meanwhile."""
    from server import config
    from storage.database import Database

    async def run(url: str) -> str | None:
        database = Database.open(url)
        try:
            await database.upgrade()
            return await database.revision()
        finally:
            await database.close()

    with faults_in_words():
        settings = config.load().settings
        revision = asyncio.run(run(settings.database_url.get_secret_value()))
    typer.echo(f"the database is at revision {revision}")

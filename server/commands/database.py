"""The database itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.output import AsJson, complain, faults_in_words, print_row

if TYPE_CHECKING:
    from storage.copying.backup import Copied

app = typer.Typer(help="The database.", no_args_is_help=True)


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


@app.command()
def copy(
    *,
    to: Annotated[str, typer.Option(help="An empty database: `postgresql://...` or `sqlite:///...`.")],
    source: Annotated[str | None, typer.Option("--from", help="The database; by default the configured one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the database to another one, from SQLite to Postgres or back, and hold both against each other row by row.

    All servers and workers must have stopped. The files stay where they are.
    """
    from server import config

    with faults_in_words():
        url = source or config.load().settings.database_url.get_secret_value()
        began = time.monotonic()
        copied = asyncio.run(_copy(url, to))
        seconds = time.monotonic() - began
        figures = {"rows": copied.rows, "seconds": round(seconds, 1), "rows_per_second": round(copied.rows / seconds)}
        print_row({**figures, "unfinished_jobs": copied.jobs}, as_json)
    if copied.jobs:
        complain("jobs that were running begin again from their start, where the copy is served")
    complain("now set CONCORDAT_DATABASE_URL; CONCORDAT_BLOB_URL stays, and must be named if it was not")


async def _copy(source_url: str, target_url: str) -> Copied:
    from sqlalchemy.exc import ArgumentError

    from server.config import ConfigError
    from storage.copying.backup import copy_database
    from storage.database import Database

    try:
        source, target = (Database.open(url, is_made=False) for url in (source_url, target_url))
    except (ValueError, ArgumentError) as error:
        raise ConfigError(f"the database's address: {error}") from None
    try:
        return await copy_database(source, target)
    finally:
        await source.close()
        await target.close()

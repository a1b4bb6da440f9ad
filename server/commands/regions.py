"""Where this server stands, and the keys that sign for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from server.commands.output import AsJson, faults_in_words, print_row

if TYPE_CHECKING:
    from handlers.core.regions import Signer
    from server.config import Settings

Result = TypeVar("Result")
app = typer.Typer(help="The region's signing keys.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `rotate` a sub-command while it is the only one."""


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Sign with a new key from now on; the old one stays published."""
    from server import config

    with faults_in_words():
        settings = config.load().settings
        key = asyncio.run(_with_signer(settings, lambda signer: signer.rotate(settings.region)))
    print_row({"kid": key.kid, "region": key.region, "node_id": key.node_id}, as_json)


async def _with_signer(settings: Settings, work: Callable[[Signer], Awaitable[Result]]) -> Result:
    from functools import partial

    from handlers.core.regions import Signer
    from handlers.core.sealing import Seal
    from server.secret_key import secret_key
    from storage.database import Database
    from storage.repositories.region_keys import RegionKeys

    database = Database.open(settings.database_url.get_secret_value())
    try:
        await database.ensure_current()
        return await work(Signer(RegionKeys(database), Seal(partial(secret_key, settings)), time.time))
    finally:
        await database.close()

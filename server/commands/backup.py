"""Everything in one file, and back."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.commands.output import CANNOT, AsJson, complain, faults_in_words, print_row

if TYPE_CHECKING:
    from server.config import Settings
    from storage.copying.archive import Manifest
    from storage.copying.backup import BackedUp

WHERE = "A file to be made, or a folder to make one in."


def backup(
    where: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", help=WHERE)],
    *,
    with_secret_key: Annotated[
        bool, typer.Option("--with-secret-key", help="Put in the key under which stored keys are sealed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Back up the database, and the files it refers to; servers may run meanwhile."""
    from server import config

    with faults_in_words():
        settings = config.load().settings
        moment = datetime.fromtimestamp(time.time(), UTC)
        path = where / f"concordat-{moment:%Y%m%dT%H%M%SZ}.zip" if where.is_dir() else where
        began = time.monotonic()
        done = asyncio.run(_back_up(settings, path, moment, with_secret_key))
        print_row({"file": path, **_describe(done.manifest, time.monotonic() - began)}, as_json)
    complain(_about_the_key(settings, done.manifest))
    complain("not in it: settings, catalog.yaml and other files of the operator's")
    if done.missing:
        complain(f"{done.manifest.blobs.missing} files are missing in the blob store, among them:")
        complain("\n".join(done.missing))
        raise typer.Exit(CANNOT)


def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` made.")],
    as_json: AsJson = False,
) -> None:
    """Restore a backup into a database and a data directory that are empty, SQLite or Postgres."""
    from server import config

    with faults_in_words():
        settings = config.load().settings
        began = time.monotonic()
        manifest = asyncio.run(_restore(settings, file))
        print_row(_describe(manifest, time.monotonic() - began), as_json)
    if not manifest.has_secret_key:
        complain(
            "the backup has no secret key: put the old one in place before the first start, or give stored provider"
            " keys and access keys anew"
        )


async def _back_up(settings: Settings, path: Path, moment: datetime, with_secret_key: bool) -> BackedUp:
    from server.secret_key import secret_key
    from server.wiring.services import app_version, blob_store
    from storage.copying.backup import Wanted, back_up
    from storage.database import Database

    database = Database.open(settings.database_url.get_secret_value())
    key = secret_key(settings) if with_secret_key else None
    wanted = Wanted(path, f"{moment:%Y-%m-%dT%H:%M:%SZ}", app_version(), key)
    try:
        return await back_up(database, blob_store(settings), wanted)
    finally:
        await database.close()


async def _restore(settings: Settings, file: Path) -> Manifest:
    from server.wiring.services import blob_store
    from storage.copying.backup import restoring
    from storage.database import Database

    database = Database.open(settings.database_url.get_secret_value(), is_made=False)
    try:
        async with restoring(file, database) as found:
            key = found.secret_key()
            if key is not None:
                _keep_key(settings, key)
            await found.run(database, blob_store(settings))
            return found.manifest
    finally:
        await database.close()


def _keep_key(settings: Settings, key: str) -> None:
    """Raises `CopyRefused` when there is another one."""
    from server.secret_key import FILE, secret_key
    from storage.errors import CopyRefused

    path = settings.data_dir / FILE
    if settings.secrets_key is not None or path.exists():
        if secret_key(settings) != key:
            raise CopyRefused("the secret key of this installation is not the one in the backup")
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(key + "\n")


def _about_the_key(settings: Settings, manifest: Manifest) -> str:
    if manifest.has_secret_key:
        return "the secret key is in it: who has the file can read every stored key"
    where = "CONCORDAT_SECRETS_KEY" if settings.secrets_key else f"{settings.data_dir}/secrets.key"
    return f"the secret key ({where}) is not in it: stored provider keys and access keys are lost without it"


def _describe(manifest: Manifest, seconds: float) -> dict[str, Any]:
    return {
        "made_at": manifest.made_at,
        "database": manifest.database,
        "revision": manifest.revision,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
        "files": manifest.blobs.count,
        "file_bytes": manifest.blobs.size_bytes,
        "secret_key": "included" if manifest.has_secret_key else "left out",
        "seconds": round(seconds, 1),
    }

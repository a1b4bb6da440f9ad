"""Start the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.output import CANNOT, complain, faults_in_words
from server.crew import OPTION

if TYPE_CHECKING:
    from server.config import Settings


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    root: Annotated[str | None, typer.Option(help="Mount only this API, at its document's own path.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the database, blobs and YAML files.")] = None,
    profile: Annotated[str | None, typer.Option(help="`local` or `production`.")] = None,
    mock: Annotated[bool, typer.Option("--mock", help="Make up every answer from its document.")] = False,
    mock_seed: Annotated[int | None, typer.Option(help="The same seed makes up the same answers.")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes that share the port.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no keys; loopback only.")] = False,
    proxy_headers: Annotated[bool, typer.Option("--proxy-headers", help="Believe the trusted proxies.")] = False,
    part: Annotated[str | None, typer.Option(OPTION, hidden=True)] = None,
) -> None:
    """Start the server. Options go before the environment; `concordat config` shows all settings."""
    from server import config

    given = {
        "host": host,
        "port": port,
        "root": root,
        "data_dir": data_dir,
        "profile": profile,
        "mock": True if mock else None,
        "mock_seed": mock_seed,
        "workers": workers,
        "auth": False if no_auth else None,
        "proxy_headers": True if proxy_headers else None,
    }
    with faults_in_words():
        loaded = config.load(given)
        if part is None:
            for warning in loaded.warnings:
                complain(f"warning: {warning}")
        try:
            if part is None and loaded.settings.workers > 1:
                _keep_many(loaded.settings)
            else:
                _serve(loaded.settings, part)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _serve(settings: Settings, part: str | None) -> None:
    from server import lean

    lean.prepare()
    from server import lifecycle
    from server.crew.part import adopt

    lifecycle.serve(settings, adopt(part) if part else None)


def _keep_many(settings: Settings) -> None:
    from server import lean

    lean.prepare_logs()
    from server.crew.supervisor import CrewLost, supervise

    try:
        supervise(settings)
    except CrewLost as error:
        complain(str(error))
        raise typer.Exit(error.status if error.status > 0 else CANNOT) from None

"""Start the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.output import complain, faults_in_words


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    root: Annotated[str | None, typer.Option(help="Mount only this API, at its document's own path.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the database, blobs and YAML files.")] = None,
    profile: Annotated[str | None, typer.Option(help="`local` or `production`.")] = None,
    mock: Annotated[bool, typer.Option("--mock", help="Make up every answer from its document.")] = False,
    mock_seed: Annotated[int | None, typer.Option(help="The same seed makes up the same answers.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no keys; loopback only.")] = False,
    proxy_headers: Annotated[bool, typer.Option("--proxy-headers", help="Believe the trusted proxies.")] = False,
) -> None:
    """Start the server. Options go before the environment; `concordat config` shows all settings."""
    from server import config

    with faults_in_words():
        loaded = config.load(
            {
                "host": host,
                "port": port,
                "root": root,
                "data_dir": data_dir,
                "profile": profile,
                "mock": True if mock else None,
                "mock_seed": mock_seed,
                "auth": False if no_auth else None,
                "proxy_headers": True if proxy_headers else None,
            }
        )
        for warning in loaded.warnings:
            complain(f"warning: {warning}")
        from server import lean

        lean.prepare()
        from server import lifecycle

        try:
            lifecycle.serve(loaded.settings)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

"""Start a process that does background jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.output import complain, faults_in_words


def work(
    *,
    data_dir: Annotated[Path | None, typer.Option(help="Directory of the database, blobs and YAML files.")] = None,
    max_jobs: Annotated[int | None, typer.Option(help="Jobs at the same time.")] = None,
) -> None:
    """Do background jobs, and serve nobody. Any number of these may run, on one database."""
    from server import config

    with faults_in_words():
        loaded = config.load({"data_dir": data_dir, "max_jobs": max_jobs})
        for warning in loaded.warnings:
            complain(f"warning: {warning}")
        from server import lean

        lean.prepare()
        from server import lifecycle

        lifecycle.work(loaded.settings)

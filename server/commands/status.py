"""Show which operations are bound."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.output import CANNOT, AsJson, complain, print_rows

if TYPE_CHECKING:
    from server.inspect import Row


def show(
    api: Annotated[str | None, typer.Option(help="Only this API.")] = None,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Show the function that each missing one needs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print, for each API and tag, which operations are bound; the others answer 501."""
    from server import inspect

    rows = [row for row in inspect.report() if api is None or row.api == api.replace("-", "_")]
    if not rows:
        complain(f"there is no API {api}")
        raise typer.Exit(CANNOT)
    if as_json:
        print_rows((), rows, as_json)
        return
    for name, group in groupby(rows, key=lambda row: row.api):
        _print_api(name, list(group), signatures)


def _print_api(name: str, rows: Sequence[Row], signatures: bool) -> None:
    typer.echo(f"{name}: {_share(rows)}")
    for tag, group in groupby(rows, key=lambda row: row.tag):
        tagged = list(group)
        typer.echo(f"  {tag}: {_share(tagged)}")
        for row in tagged:
            typer.echo(f"    {'bound' if row.bound else '-':<6}{row.method:<7}{row.path}  {row.operation_id}")
            if row.derived:
                typer.echo(f"           no overlay names it, so its name is made up: {row.operation_id}")
            if not row.bound and (signatures or row.derived):
                typer.echo(f"           to write in {row.signature}")


def _share(rows: Sequence[Row]) -> str:
    return f"{sum(row.bound for row in rows)} of {len(rows)} bound"

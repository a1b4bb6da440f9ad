"""What every command shares: tables for people, JSON for machines, faults as one line each."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

CANNOT = 1
WRONG = 2


@contextmanager
def faults_in_words() -> Iterator[None]:
    """Turns the errors that a command may meet into a line on standard error and an exit status."""
    from handlers.core.errors import CoreError
    from server.catalog import CatalogError
    from server.config import ConfigError
    from storage.errors import StorageError

    try:
        yield
    except (ConfigError, CatalogError) as error:
        complain(str(error))
        raise typer.Exit(WRONG) from None
    except (CoreError, StorageError) as error:
        complain(str(error))
        raise typer.Exit(CANNOT) from None


def complain(message: str) -> None:
    for line in message.splitlines():
        typer.echo(f"concordat: {line}", err=True)


def print_json(value: object) -> None:
    import orjson

    typer.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())


def print_rows(columns: Sequence[str], rows: Iterable[object], as_json: bool) -> None:
    """`rows` are dataclasses or mappings; `columns` names what a table shows of them, JSON has all."""
    found = [as_mapping(row) for row in rows]
    if as_json:
        print_json(found)
    else:
        typer.echo(align([tuple(columns), *(tuple(_cell(row.get(name)) for name in columns) for row in found)]))


def print_row(row: object, as_json: bool) -> None:
    """One dataclass or mapping, a field a line."""
    found = as_mapping(row)
    if as_json:
        print_json(found)
    else:
        typer.echo(align([(name, _cell(value)) for name, value in found.items()]))


def as_mapping(row: object) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        return row
    assert dataclasses.is_dataclass(row)
    assert not isinstance(row, type)
    return dataclasses.asdict(row)


def align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def confirm(question: str, yes: bool) -> None:
    """Asks on a terminal; without one, `--yes` is needed. Raises `typer.Exit` or `typer.Abort`."""
    if yes:
        return
    if not sys.stdin.isatty():
        complain(f"{question} Say --yes.")
        raise typer.Exit(WRONG)
    typer.confirm(question, abort=True)


def _cell(value: object) -> str:
    if value is None or value in ([], ()):
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(sorted(map(str, value)))
    return str(value).lower() if isinstance(value, bool) else str(value)

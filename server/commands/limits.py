"""How much a project, or one of its keys, may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.acts import ACTOR, Project, act
from server.commands.credits import micros
from server.commands.output import WRONG, AsJson, complain, print_row

if TYPE_CHECKING:
    from handlers.core.keys import Tenancy

app = typer.Typer(help="How much a project, or one of its keys, may ask.", no_args_is_help=True)
Key = Annotated[str | None, typer.Option(help="The id of a key of the project, to limit it alone.")]
NONE = "none"
Number = Annotated[str | None, typer.Option(help="A number, or `none` to lift the limit; left out, it stays.")]


@app.command("set")
def set_(
    *,
    project: Project = "default",
    key: Key = None,
    requests_per_minute: Number = None,
    requests_per_day: Number = None,
    tokens_per_minute: Number = None,
    tokens_per_day: Number = None,
    usd_per_day: Annotated[str | None, typer.Option(help="US dollars, or `none`; left out, it stays.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set limits."""
    from handlers.core.keys import Rates

    given = {
        "requests_per_minute": requests_per_minute,
        "requests_per_day": requests_per_day,
        "tokens_per_minute": tokens_per_minute,
        "tokens_per_day": tokens_per_day,
    }
    changed = {name: _number(text) for name, text in given.items() if text is not None}
    if usd_per_day is not None:
        changed["micro_usd_per_day"] = None if usd_per_day == NONE else micros(usd_per_day, NONE)

    async def work(tenancy: Tenancy) -> object:
        before = await tenancy.show_limits(project, key)
        rates = Rates(**{name: getattr(before, name) for name in Rates.__slots__} | changed)
        return await tenancy.set_limits(ACTOR, project, rates, key)

    print_row(act(work), as_json)


@app.command()
def show(project: Project = "default", key: Key = None, as_json: AsJson = False) -> None:
    """Show the limits; `-` is none."""
    print_row(act(lambda tenancy: tenancy.show_limits(project, key)), as_json)


def _number(text: str) -> int | None:
    if text == NONE:
        return None
    if not text.isdecimal():
        complain(f"a limit is a whole number or `none`, not {text}")
        raise typer.Exit(WRONG)
    return int(text)

"""What a project paid in advance."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.acts import ACTOR, Project, act
from server.commands.output import WRONG, AsJson, complain, print_row

if TYPE_CHECKING:
    from handlers.core.keys import Tenancy

app = typer.Typer(help="What a project paid in advance.", no_args_is_help=True)
MICROS = 1_000_000
UNLIMITED = "unlimited"


@app.command("set")
def set_(
    balance: Annotated[str, typer.Argument(help="US dollars, or `unlimited`.")],
    project: Project = "default",
    as_json: AsJson = False,
) -> None:
    """Set the balance; at nothing left, requests are refused."""
    amount = None if balance == UNLIMITED else micros(balance, UNLIMITED)

    async def work(tenancy: Tenancy) -> int | None:
        await tenancy.set_credits(ACTOR, project, amount)
        return await tenancy.show_credits(project)

    _print(project, act(work), as_json)


@app.command()
def show(project: Project = "default", as_json: AsJson = False) -> None:
    """Show the balance."""
    _print(project, act(lambda tenancy: tenancy.show_credits(project)), as_json)


def micros(text: str, nothing: str) -> int:
    """US dollars as micro-dollars; `nothing` is the word for no limit. Ends the command for what is no amount."""
    try:
        amount = Decimal(text) * MICROS
        if amount == amount.to_integral_value():
            return int(amount)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    complain(f"an amount is US dollars, to the millionth, or `{nothing}`, not {text}")
    raise typer.Exit(WRONG)


def _print(project: str, micros: int | None, as_json: bool) -> None:
    balance = None if micros is None else str(Decimal(micros) / MICROS)
    shown = balance if as_json else balance or UNLIMITED
    print_row({"project": project, "balance_usd": shown}, as_json)

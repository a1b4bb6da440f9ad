"""Code generation, as `python -m codegen` does it, and the handlers held against it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from server.commands.output import CANNOT, complain


def generate(
    fail_on_breaking: Annotated[
        bool, typer.Option("--fail-on-breaking", help="Write, but fail when a change breaks clients.")
    ] = False,
) -> None:
    """Write the code that is made from the documents; print what changed, breaking changes first, and what to do."""
    raise typer.Exit(_codegen("generate", *(["--fail-on-breaking"] if fail_on_breaking else [])))


def check() -> None:
    """Fail when generated code is stale, or a handler does not fit its operation or names none."""
    stale = _codegen("check")
    from server import inspect

    misfits = list(inspect.faults())
    for misfit in misfits:
        complain(misfit)
    raise typer.Exit(stale or (CANNOT if misfits else 0))


def diff(
    old: Annotated[Path, typer.Argument(help="A document.")],
    new: Annotated[Path, typer.Argument(help="The document that replaces it.")],
) -> None:
    """Print what changes from one document to another; fail when a change breaks clients."""
    raise typer.Exit(_codegen("diff", str(old), str(new)))


def _codegen(*arguments: str) -> int:
    """Its exit status."""
    before, sys.argv = sys.argv, ["codegen", *arguments]
    try:
        runpy.run_module("codegen", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else CANNOT if end.code else 0
    finally:
        sys.argv = before
    return 0

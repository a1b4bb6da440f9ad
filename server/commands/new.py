"""Take a document in: a fifth API, and a sixth."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.output import WRONG, complain

if TYPE_CHECKING:
    from codegen.adopt import Adopted

ROOT = Path(__file__).resolve().parents[2]


def new(
    document: Annotated[Path, typer.Argument(help="An OpenAPI document, 3.1 or 3.0, as YAML or JSON.")],
    name: Annotated[str | None, typer.Option(help="One word for the API; its file's name, if not given.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Where it is mounted; under its name, if not given.")] = None,
) -> None:
    """Add an API from its OpenAPI document: overlay, models, routes and a stub for each handler."""
    from codegen.adopt import Wanted, adopt, write
    from codegen.generate import Layout
    from codegen.load import DocumentError

    layout = Layout()
    try:
        adopted = adopt(Wanted(document, name, prefix), layout)
    except DocumentError as error:
        complain(str(error))
        raise typer.Exit(WRONG) from None
    folder = ROOT / "handlers" / adopted.api.slug
    if folder.exists():
        complain(f"there are handlers already in {folder.relative_to(ROOT)}: choose another name with --name")
        raise typer.Exit(WRONG)
    write(adopted, layout)
    _write_handlers(adopted, folder)
    subprocess.run([sys.executable, "-m", "server.cli", "tables", "--write"], cwd=ROOT, check=True)
    _tell(adopted, layout.specs)


def _write_handlers(adopted: Adopted, folder: Path) -> None:
    from server.inspect import operations
    from server.stubs import write_errors, write_modules

    folder.mkdir()
    files = {"__init__": "", "errors": write_errors(adopted.api.title, adopted.spec)}
    modules = write_modules(operations(adopted.api.slug))
    files |= {module.rpartition(".")[2]: text for module, text in modules.items()}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def _tell(adopted: Adopted, specs: Path) -> None:
    from server.inspect import operations

    api, count = adopted.api, len(operations(adopted.api.slug))
    typer.echo(
        f"{api.slug}: {api.title}, {count} {'operation' if count == 1 else 'operations'}, mounted at {api.prefix}"
    )
    for path, what in (
        (adopted.document, "the document, as it was"),
        (adopted.overlay, "names and repairs"),
        (specs.parent / "codegen" / "generated" / api.slug, "models and routes, generated"),
        (specs.parent / "handlers" / api.slug, "a function to write for each operation"),
    ):
        typer.echo(f"  {path.relative_to(specs.parent)!s:<42}{what}")
    for note in _notes(adopted):
        typer.echo(f"note: {note}")
    typer.echo("`concordat serve` answers 501 for what is not written, `concordat serve --mock` makes answers up.")


def _notes(adopted: Adopted) -> Iterator[str]:
    from handlers.core.errors import CoreError
    from server.auth.credentials import Authenticator
    from server.inspect import operations
    from server.mock.answers import Answers, Wish
    from server.mock.endpoints import AnyKey
    from server.openapi31.specification import Document

    if adopted.upgraded:
        yield "the document is of OpenAPI 3.0, and is read as 3.1"
    asked = operations(adopted.api.slug)
    if is_open := sum(not operation.security for operation in asked):
        yield f"{is_open} of {len(asked)} operations ask for no credential, as the document has it"
    authenticator = Authenticator(AnyKey())
    schemes = adopted.spec.get("components", {}).get("securitySchemes", {})
    used = {name for operation in asked for alternative in operation.security for name in alternative}
    for name in sorted(used):
        if authenticator.check_for(schemes.get(name, {})) is None:
            yield f"credentials of {name} cannot be checked: what asks for them alone answers 501"
    answers = Answers(Document(adopted.spec, asked), 1)
    for operation in asked:
        try:
            answers.answer(operation, Wish())
        except CoreError as error:
            yield f"cannot be mocked: {error.message}"

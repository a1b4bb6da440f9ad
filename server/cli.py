"""The `concordat` command. It must start fast: what is heavy is imported by the command that needs it."""

from __future__ import annotations

import typer

from server.commands import (
    backup,
    codegen,
    config,
    contract,
    credits,
    database,
    jobs,
    keys,
    limits,
    new,
    projects,
    regions,
    serve,
    status,
    storage,
    tables,
    worker,
)

app = typer.Typer(
    help="One server for four AI-platform APIs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.work)
app.command("config")(config.show)
app.command("status")(status.show)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("new")(new.new)
app.command("generate")(codegen.generate)
app.command("check")(codegen.check)
app.command("diff")(codegen.diff)
app.command("contract")(contract.contract)
app.command("tables")(tables.update)
app.add_typer(keys.app, name="keys")
app.add_typer(projects.app, name="projects")
app.add_typer(limits.app, name="limits")
app.add_typer(credits.app, name="credits")
app.add_typer(jobs.app, name="jobs")
app.add_typer(regions.app, name="regions")
app.add_typer(storage.app, name="storage")
app.add_typer(database.app, name="db")


def main() -> None:
    app(prog_name="concordat")


if __name__ == "__main__":
    main()

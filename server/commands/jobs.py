"""Background jobs, as the operator sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.acts import act
from server.commands.output import AsJson, print_row, print_rows

if TYPE_CHECKING:
    from handlers.core.jobs import Job, JobState
    from handlers.core.keys import Tenancy

app = typer.Typer(help="Background jobs.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The id of a job, whosever it is.")]
COLUMNS = ("id", "project_id", "kind", "state", "progress", "created_at", "finished_at")


@app.command("list")
def list_(
    *,
    project: Annotated[str | None, typer.Option(help="Only those of the project with this slug.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first; those without a project are the server's own."""

    async def work(tenancy: Tenancy) -> list[Job]:
        from storage.repositories.jobs import Filter, Jobs

        project_id = (await tenancy.project(project)).id if project else None
        states: tuple[JobState, ...] = (state,) if state else ()  # type: ignore[assignment]
        return list(await Jobs(tenancy.database).list(Filter(project_id, None, states, None, limit)))

    print_rows(COLUMNS, act(work), as_json)


@app.command()
def show(job_id: Id, as_json: AsJson = False) -> None:
    """Show a job."""
    print_row(act(lambda tenancy: _find(tenancy, job_id)), as_json)


@app.command()
def cancel(job_id: Id, as_json: AsJson = False) -> None:
    """Cancel a job. One that runs ends within a second or so; one that has ended stays as it is."""

    async def work(tenancy: Tenancy) -> Job:
        import time

        from storage.repositories.jobs import Jobs
        from storage.tables.types import instant

        job = await _find(tenancy, job_id)
        changed = await Jobs(tenancy.database).request_cancel(job.project_id, job.id, instant(time.time()))
        return changed or job

    print_row(act(work), as_json)


async def _find(tenancy: Tenancy, job_id: str) -> Job:
    from handlers.core.errors import NotFound
    from storage.repositories.jobs import Jobs

    job = await Jobs(tenancy.database).find(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job

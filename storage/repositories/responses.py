"""Responses: one exchange with a model each, chained by `previous_response_id`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, case, delete, literal, select, tuple_, update

from storage.database import Database, Transaction
from storage.repositories.jobs import JOBS
from storage.repositories.requests import REQUESTS
from storage.tables.responses import ResponseRow
from storage.tables.types import core, plain

RESPONSES = core(ResponseRow)
RUNNING = ("queued", "in_progress")


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """`content` is a JSON object of the caller's own making. `status` is `queued`, `in_progress`, `completed`,
    `incomplete`, `failed` or `cancelled`."""

    id: str
    project_id: str
    created_at: datetime
    status: str
    model: str
    previous_response_id: str | None
    request_id: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` None is all. `after` and `model` None are none."""

    limit: int | None = None
    after: str | None = None
    model: str | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Responses:
    database: Database

    async def insert(self, response: StoredResponse, tx: Transaction | None = None) -> None:
        statement = RESPONSES.insert().values(_fields(response))
        if tx is not None:
            await tx.execute(statement)
            return
        async with self.database.writing() as own:
            await own.execute(statement)

    async def begin(self, project_id: str, response_id: str) -> None:
        """One that waits, runs."""
        waiting = _mine(project_id, response_id) & (RESPONSES.c.status == "queued")
        async with self.database.writing() as tx:
            await tx.execute(update(RESPONSES).where(waiting).values(status="in_progress"))

    async def finish(self, response: StoredResponse) -> str | None:
        """Writes the end of a running response and answers its status: one that was cancelled stays so. None when it
        was deleted, and stays that."""
        status = case((RESPONSES.c.status == "cancelled", "cancelled"), else_=response.status)
        statement = (
            update(RESPONSES)
            .where(_mine(response.project_id, response.id))
            .values(status=status, model=response.model, content=orjson.dumps(response.content))
            .returning(RESPONSES.c.status)
        )
        async with self.database.writing() as tx:
            found: str | None = (await tx.execute(statement)).scalar_one_or_none()
        return found

    async def cancel(self, project_id: str, response_id: str) -> bool:
        """Marks a running response; False when there is none that runs."""
        running = _mine(project_id, response_id) & RESPONSES.c.status.in_(RUNNING)
        async with self.database.writing() as tx:
            return (await tx.execute(update(RESPONSES).where(running).values(status="cancelled"))).rowcount == 1

    async def get(self, project_id: str, response_id: str) -> StoredResponse | None:
        """One that runs in a process that died is `incomplete`; one that is a job ends as that does, at the latest."""
        if "\0" in response_id:
            return None
        query = _with_what_runs_it().where(_mine(project_id, response_id))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _with_its_end(row)

    async def made_by(self, project_id: str, request_id: str) -> StoredResponse | None:
        """The response that a request made and had stored."""
        query = select(RESPONSES).where(RESPONSES.c.request_id == request_id, RESPONSES.c.project_id == project_id)
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _response(plain(row))

    async def status(self, project_id: str, response_id: str) -> str | None:
        query = select(RESPONSES.c.status).where(_mine(project_id, response_id))
        async with self.database.reading() as connection:
            found: str | None = await connection.scalar(query)
        return found

    async def chain(self, project_id: str, response_id: str) -> list[StoredResponse]:
        """The response and all that it continues, oldest first. The first has no `previous_response_id`, unless what
        it continued was deleted."""
        if "\0" in response_id:
            return []
        links = (
            select(RESPONSES.c.id, RESPONSES.c.previous_response_id, literal(0).label("depth"))
            .where(_mine(project_id, response_id))
            .cte("links", recursive=True)
        )
        earlier = select(RESPONSES.c.id, RESPONSES.c.previous_response_id, links.c.depth + 1).where(
            RESPONSES.c.project_id == project_id, RESPONSES.c.id == links.c.previous_response_id
        )
        links = links.union_all(earlier)
        query = select(RESPONSES).join(links, links.c.id == RESPONSES.c.id).order_by(links.c.depth.desc())
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [_response(plain(row)) for row in rows]

    async def list(self, project_id: str, page: Page) -> list[StoredResponse] | None:
        """None when there is no response `after`."""
        place = (RESPONSES.c.created_at, RESPONSES.c.id)
        query = _page(project_id, page)
        if page.after is not None:
            last = await self.get(project_id, page.after)
            if last is None:
                return None
            cursor = tuple_(literal(last.created_at, RESPONSES.c.created_at.type), literal(last.id))
            query = query.where(tuple_(*place) < cursor if page.newest_first else tuple_(*place) > cursor)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [_with_its_end(row) for row in rows]

    async def delete(self, project_id: str, response_id: str) -> bool:
        """False when there was none."""
        if "\0" in response_id:
            return False
        async with self.database.writing() as tx:
            return (await tx.execute(delete(RESPONSES).where(_mine(project_id, response_id)))).rowcount == 1


def _mine(project_id: str, response_id: str) -> ColumnElement[bool]:
    return (RESPONSES.c.project_id == project_id) & (RESPONSES.c.id == response_id)


def _page(project_id: str, page: Page) -> Select[Any]:
    place = (RESPONSES.c.created_at, RESPONSES.c.id)
    columns = (column.desc() if page.newest_first else column for column in place)
    query = _with_what_runs_it().where(RESPONSES.c.project_id == project_id).order_by(*columns)
    if page.model is not None:
        query = query.where(RESPONSES.c.model == page.model)
    return query if page.limit is None else query.limit(page.limit)


def _fields(response: StoredResponse) -> dict[str, Any]:
    return asdict(response) | {"content": orjson.dumps(response.content)}


def _with_what_runs_it() -> Select[Any]:
    """A response in the background is run by the job of its own id, any other by its request."""
    return (
        select(
            *RESPONSES.c,
            REQUESTS.c.state.label("request_state"),
            JOBS.c.state.label("job_state"),
            JOBS.c.error_code.label("job_error_code"),
            JOBS.c.error_message.label("job_error_message"),
        )
        .outerjoin(REQUESTS, REQUESTS.c.request_id == RESPONSES.c.request_id)
        .outerjoin(JOBS, (JOBS.c.id == RESPONSES.c.id) & (JOBS.c.project_id == RESPONSES.c.project_id))
    )


def _with_its_end(row: Any) -> StoredResponse:
    fields = plain(row)
    request_state, job_state = fields.pop("request_state"), fields.pop("job_state")
    error = {"code": fields.pop("job_error_code"), "message": fields.pop("job_error_message")}
    response = _response(fields)
    if response.status not in RUNNING:
        return response
    if job_state == "failed":
        return replace(response, status="failed", content={**response.content, "error": error})
    if job_state == "cancelled":
        return replace(response, status="cancelled")
    if job_state is None and request_state not in (None, "started"):
        return replace(response, status="incomplete")
    return response


def _response(fields: dict[str, Any]) -> StoredResponse:
    return StoredResponse(**(fields | {"content": orjson.loads(fields["content"])}))

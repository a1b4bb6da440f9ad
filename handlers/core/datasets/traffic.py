"""Datasets of a container's recorded chats, built by a job: the newest that fit, each with its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from handlers.core.call import Call
from handlers.core.completions import StoredChat, answer_of, request_of
from handlers.core.containers import find_container
from handlers.core.datasets.datasets import MOST_ROWS
from handlers.core.datasets.filters import Condition, check, matches
from handlers.core.errors import Invalid
from handlers.core.jobs import Definition, Run
from storage.repositories.completions import ChatFilter, Page
from storage.repositories.datasets import Dataset, Datasets
from storage.tables.types import instant

LOOKED_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBuilt:
    """`container` is an id or a label, `size` how many rows there are to be at most."""

    name: str
    container: str
    size: int
    description: str | None = None
    conditions: Sequence[Condition] = ()
    tags: list[str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


async def build(new: NewBuilt, call: Call) -> Dataset:
    """It has no `built_at` until the job has filled it. Raises `NotFound` for the container, and `Invalid`."""
    check(new.conditions)
    if new.size > MOST_ROWS:
        raise Invalid(f"size must be {MOST_ROWS} at most", param="size")
    container = await find_container(new.container, call)
    services = call.services
    dataset_id = services.new_id("dataset")
    filters = [{"key": one.key, "operator": one.operator, "value": one.value} for one in new.conditions]
    dataset = Dataset(
        key=dataset_id,
        project_id=call.caller.project_id,
        id=dataset_id,
        created_at=instant(services.clock()),
        container_id=container.id,
        about={
            "name": new.name,
            "description": new.description,
            "requested_size": new.size,
            "filters": filters,
            "tags": new.tags,
            "metadata": new.metadata,
        },
        fingerprint=dataset_id,
    )
    async with services.jobs.database.writing() as tx:
        await Datasets(services.jobs.database).insert(tx, dataset)
        await services.jobs.enqueue(DEFINITION.kind, None, call.caller.project_id, job_id=dataset_id, tx=tx)
    services.jobs.wanted.ring()
    return dataset


async def run(run: Run) -> int:
    """How many rows there are."""
    size: int = await run.step("build", lambda: _build(run))
    return size


async def _build(run: Run) -> int:
    datasets = Datasets(run.services.jobs.database)
    dataset = await datasets.get(run.project_id, run.job.id)
    if dataset is None or dataset.built_at is not None:
        return 0 if dataset is None else dataset.size
    rows = await _rows(dataset, run)
    await datasets.build(dataset, rows, instant(run.services.clock()))
    return len(rows)


async def _rows(dataset: Dataset, run: Run) -> list[str]:
    conditions = [Condition(**one) for one in dataset.about["filters"]]
    wanted: int = dataset.about["requested_size"]
    which, after, rows = ChatFilter(container_id=dataset.container_id), None, list[str]()
    while len(rows) < wanted:
        page = Page(limit=LOOKED_AT_ONCE, after=after)
        chats = await run.services.completions.list(dataset.project_id, which, page)
        if not chats:
            break
        after = chats[-1].key
        rows += await asyncio.to_thread(_chosen, chats, conditions)
    return rows[:wanted]


def _chosen(chats: Sequence[StoredChat], conditions: Sequence[Condition]) -> list[str]:
    return [_row(chat) for chat in chats if matches(chat, conditions)]


def _row(chat: StoredChat) -> str:
    request = request_of(chat)
    answers = [choice["message"] for choice in answer_of(chat).get("choices") or []][:1]
    row = {
        "id": chat.id,
        "model": chat.model,
        "messages": [*request["messages"], *answers],
        "tools": request.get("tools"),
        "created_at": chat.created_at.isoformat(),
        "tags": chat.tags,
        "metadata": chat.metadata,
    }
    return orjson.dumps({name: value for name, value in row.items() if value is not None}).decode()


DEFINITION = Definition("dataset", run)

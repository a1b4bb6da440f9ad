"""What all APIs do with datasets: register them, read rows by their numbers, append some."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from handlers.core.call import Call
from handlers.core.datasets import columns, formats, sources
from handlers.core.datasets.columns import Columns
from handlers.core.errors import Invalid, NotFound
from storage.errors import StorageConflict
from storage.repositories.datasets import Dataset, DatasetPage, Datasets
from storage.tables.types import instant

MOST_ROWS = formats.MOST_ROWS
LONGEST_ID = 512
SHOWN_BYTES = 64 * 1024
"""A longer source is not shown again: its rows are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDataset:
    """Rows stand at `uri`, or in `rows`. `about` is what the dialect tells of it beside that."""

    id: str | None
    uri: str | None = None
    rows: Sequence[dict[str, Any]] | None = None
    columns: Columns = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` None is all from `start` on."""

    start: int = 0
    limit: int | None = None


async def register(new: NewDataset, call: Call) -> Dataset:
    """The same once more answers the dataset that is there. Raises `Invalid`, also for an id that is another's, and
    what `sources.fetch` says."""
    services, project_id = call.services, call.caller.project_id
    dataset_id = new.id if new.id is not None else services.new_id("dataset")
    _check_id(dataset_id)
    fingerprint = await asyncio.to_thread(_fingerprint, new)
    known = await find(dataset_id, call)
    if known is not None:
        return _same(known, fingerprint)
    rows = new.rows
    if rows is None:
        content = await sources.fetch(new.uri or "", call)
        rows = await formats.read(content.body, content.hint, new.columns, services.parquet)
    lines = await asyncio.to_thread(_lines, rows, new.columns)
    now = instant(services.clock())
    dataset = Dataset(
        key=services.new_id("ds"),
        project_id=project_id,
        id=dataset_id,
        created_at=now,
        built_at=now,
        about={**new.about, "columns": dict(new.columns), **_source(new)},
        fingerprint=fingerprint,
        size=len(lines),
    )
    try:
        async with services.jobs.database.writing() as tx:
            await _datasets(call).insert(tx, dataset, lines)
    except StorageConflict:
        return _same(await get(dataset_id, call), fingerprint)
    return dataset


async def find(dataset_id: str, call: Call) -> Dataset | None:
    return await _datasets(call).get(call.caller.project_id, dataset_id)


async def get(dataset_id: str, call: Call) -> Dataset:
    """Raises `NotFound`."""
    found = await find(dataset_id, call)
    if found is None:
        raise NotFound(f"there is no dataset {dataset_id}", code="dataset_not_found")
    return found


async def list_datasets(call: Call, page: DatasetPage | None = None) -> tuple[Sequence[Dataset], int]:
    """Newest first, and how many there are."""
    page, project_id = page or DatasetPage(), call.caller.project_id
    found = await _datasets(call).list(project_id, page)
    return found, await _datasets(call).count(project_id, page.container_id)


async def unregister(dataset_id: str, call: Call) -> None:
    """Raises `NotFound`."""
    if not await _datasets(call).delete(call.caller.project_id, dataset_id):
        raise NotFound(f"there is no dataset {dataset_id}", code="dataset_not_found")


async def read(dataset_id: str, window: Window, call: Call) -> tuple[Dataset, Sequence[str]]:
    """Rows as JSON texts. Raises `NotFound`."""
    dataset = await get(dataset_id, call)
    limit = dataset.size if window.limit is None else window.limit
    stop = min(dataset.size, window.start + limit)
    if window.start >= stop:
        return dataset, []
    return dataset, await _datasets(call).rows(dataset, window.start, stop)


async def append(dataset_id: str, rows: Sequence[dict[str, Any]], call: Call) -> int:
    """How many rows there are then. Raises `NotFound`, and `Invalid` for rows that do not fit the columns."""
    dataset = await get(dataset_id, call)
    if dataset.size + len(rows) > MOST_ROWS:
        raise Invalid(f"a dataset must have {MOST_ROWS} rows at most", code="too_many_rows", param="rows")
    lines = await asyncio.to_thread(_lines, rows, dataset.about.get("columns") or {})
    size = await _datasets(call).append(call.caller.project_id, dataset_id, lines)
    if size is None:
        raise NotFound(f"there is no dataset {dataset_id}", code="dataset_not_found")
    return size


def _check_id(dataset_id: str) -> None:
    if not 0 < len(dataset_id) <= LONGEST_ID or "\0" in dataset_id:
        message = f"dataset_id must have between 1 and {LONGEST_ID} characters"
        raise Invalid(message, code="invalid_dataset_id", param="dataset_id")


def _same(known: Dataset, fingerprint: str) -> Dataset:
    if known.fingerprint != fingerprint:
        raise Invalid(f"there is another dataset {known.id}", code="dataset_exists", param="dataset_id")
    return known


def _fingerprint(new: NewDataset) -> str:
    said = [new.uri, new.rows, new.columns, new.about]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _lines(rows: Sequence[dict[str, Any]], wanted: Columns) -> list[str]:
    columns.check(rows, wanted)
    try:
        return [orjson.dumps(row).decode() for row in rows]
    except TypeError as error:
        raise Invalid(f"a row cannot be kept: {error}", code="row_does_not_fit", param="rows") from None


def _source(new: NewDataset) -> dict[str, Any]:
    """What of the source is shown again."""
    if new.uri is not None:
        return {"uri": new.uri} if len(new.uri) <= SHOWN_BYTES else {}
    return {"rows": new.rows} if len(orjson.dumps(new.rows)) <= SHOWN_BYTES else {}


def _datasets(call: Call) -> Datasets:
    return Datasets(call.services.jobs.database)

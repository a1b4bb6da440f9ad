"""The jobs that clear away what is not searched any more, end stores whose time is over, and end what hangs."""

from __future__ import annotations

from typing import Any

from handlers.core.jobs import Definition, Run
from storage.tables.types import instant

REMOVAL, DROPPING, SWEEPING = "search_removal", "search_dropping", "vector_store_sweeping"
AT_ONCE = 200


async def _remove(run: Run) -> dict[str, Any]:
    """One document, which is retired already."""
    return {"chunks": await run.step("remove", lambda: _remove_all(run))}


async def _remove_all(run: Run) -> int:
    total = 0
    while removed := await run.services.retrieval.index.remove_some(run.input["document_no"]):
        total += removed
    return total


async def _drop(run: Run) -> None:
    """A whole collection."""
    await run.step("drop", lambda: run.services.retrieval.index.drop(run.input["collection_no"]))


async def _sweep(run: Run) -> dict[str, Any]:
    """How many stores were ended, and how many files whose job died without telling."""
    return {
        "expired_stores": await run.step("expire", lambda: _expire(run)),
        "abandoned_files": await run.step("abandon", lambda: _abandon(run)),
    }


async def _expire(run: Run) -> int:
    retrieval, now, total = run.services.retrieval, instant(run.services.clock()), 0
    while over := await retrieval.stores.over(now, AT_ONCE):
        for store in over:
            async with retrieval.index.database.writing() as tx:
                if await retrieval.stores.end(tx, store.project_id, store.id, now):
                    dropped = {"collection_no": store.collection_no}
                    await run.services.jobs.enqueue(DROPPING, dropped, store.project_id, tx=tx)
                    total += 1
    run.services.jobs.wanted.ring()
    return total


async def _abandon(run: Run) -> int:
    retrieval, total = run.services.retrieval, 0
    ended = {
        "status": "failed",
        "error_code": "server_error",
        "error_message": "the file's indexing ended without a result",
        "next_document_no": None,
    }
    while files := await retrieval.files.abandoned(AT_ONCE):
        for file in files:
            async with retrieval.index.database.writing() as tx:
                if await retrieval.files.change(tx, file, ended, file.job_id):
                    left = {"document_no": file.next_document_no}
                    await run.services.jobs.enqueue(REMOVAL, left, file.project_id, tx=tx)
                    total += 1
    run.services.jobs.wanted.ring()
    return total


DEFINITIONS = (
    Definition(REMOVAL, _remove),
    Definition(DROPPING, _drop),
    Definition(SWEEPING, _sweep, cron="* * * * *"),
)

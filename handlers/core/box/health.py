"""How the work behind all Boxes stands: workers and their tools, the queue, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from handlers.core.call import Call
from handlers.core.retrieval.files import INDEXING
from storage.blobs.local import LocalBlobs
from storage.repositories.workers import Standing, Workers, WorkerSeen
from storage.tables.types import instant

FRESH_SECONDS = 30
RECENT = timedelta(hours=1)
UNREADABLE = frozenset({"unsupported_file", "encrypted", "corrupt", "too_large", "timed_out", "empty"})
"""Why a document could not be read. Every other fault came in embedding it."""
ASKING = "box_query"


@dataclass(frozen=True, slots=True)
class Worker:
    seen: WorkerSeen
    age_seconds: int

    @property
    def is_fresh(self) -> bool:
        return self.age_seconds < FRESH_SECONDS


@dataclass(frozen=True, slots=True)
class Queue:
    """Unfinished jobs by how they stand, with the age of the oldest in seconds; `failures` are documents by stage."""

    standings: Mapping[str, Standing]
    now: datetime
    failed_jobs: int
    failures: Mapping[str, int]

    def jobs(self, standing: str) -> int:
        return self.standings.get(standing, Standing()).jobs

    def age_seconds(self, standing: str) -> int | None:
        oldest_at = self.standings.get(standing, Standing()).oldest_at
        return None if oldest_at is None else max(0, int((self.now - oldest_at).total_seconds()))


@dataclass(frozen=True, slots=True)
class Health:
    backend: str
    storage_mode: Literal["local", "object_storage"]
    workers: Sequence[Worker]
    queue: Queue
    indexed: int
    failed: int

    @property
    def fresh(self) -> Sequence[Worker]:
        return [worker for worker in self.workers if worker.is_fresh]

    def has_tool(self, name: str) -> bool:
        """Whether a worker that is there has found it."""
        return any(worker.seen.tools.get(name, {}).get("available") for worker in self.fresh)


@dataclass(frozen=True, slots=True)
class Alert:
    severity: Literal["critical", "warning", "info"]
    code: str
    message: str
    action: str


async def list_workers(call: Call) -> list[Worker]:
    now = instant(call.services.clock())
    seen = await Workers(call.services.retrieval.index.database).list(INDEXING)
    return [Worker(one, max(0, int((now - one.beat_at).total_seconds()))) for one in seen]


async def read_health(call: Call) -> Health:
    database, now = call.services.retrieval.index.database, instant(call.services.clock())
    workers = Workers(database)
    boxed = await workers.boxed()
    failures = {"extraction": 0, "embedding": 0, "chat": await workers.failed_requests(ASKING, now - RECENT)}
    for (status, code), files in boxed.items():
        if status == "failed":
            failures["extraction" if code in UNREADABLE else "embedding"] += files
    failed_jobs = await workers.failed_since(INDEXING, now - RECENT)
    return Health(
        backend="sqlite" if database.dialect == "sqlite" else "postgres",
        storage_mode="local" if isinstance(call.services.files.blobs, LocalBlobs) else "object_storage",
        workers=await list_workers(call),
        queue=Queue(await workers.standings(INDEXING), now, failed_jobs, failures),
        indexed=sum(files for (status, _), files in boxed.items() if status == "completed"),
        failed=sum(files for (status, _), files in boxed.items() if status == "failed"),
    )


def find_alerts(health: Health) -> list[Alert]:
    alerts = []
    if not health.fresh:
        message = "no worker was heard of lately" if health.workers else "there is no worker"
        action = "Start the server with its worker, or `concordat worker`."
        alerts.append(Alert("critical", "worker_missing", message, action))
    elif not health.has_tool("libreoffice"):
        message = "no worker has LibreOffice: old Office and OpenDocument files are refused"
        alerts.append(Alert("warning", "libreoffice_missing", message, "Install LibreOffice where workers run."))
    if health.fresh and not health.has_tool("pdftotext"):
        message = "no worker has pdftotext; PDFs are read without it"
        alerts.append(Alert("info", "pdftotext_missing", message, "Nothing has to be done."))
    if stale := health.queue.jobs("stale"):
        message = f"{stale} jobs belong to workers that are gone"
        alerts.append(
            Alert("warning", "stale_leases", message, "A worker takes them over by itself; see that one runs.")
        )
    if health.failed:
        message = f"{health.failed} documents could not be indexed"
        alerts.append(
            Alert("info", "failed_documents", message, "Their errors say why; reindex them when it is mended.")
        )
    return alerts


def tools_of(worker: Worker) -> dict[str, Any]:
    """As the worker told of them."""
    missing = {"available": False, "error": "the worker has not looked for it yet"}
    return {name: dict(worker.seen.tools.get(name) or missing) for name in ("pdftotext", "libreoffice")}

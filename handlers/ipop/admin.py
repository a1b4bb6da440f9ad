from __future__ import annotations

from dataclasses import asdict
from typing import Any

from handlers.core.box.health import Health, Worker, find_alerts, read_health, tools_of
from handlers.core.call import Call

METRICS = ("concordat_jobs", "concordat_requests_total", "concordat_request_duration_seconds")
DOCUMENTS = "docs/documents.md", "docs/jobs.md"


async def admin_box_health_get(call: Call) -> dict[str, Any]:
    health = await read_health(call)
    return {
        "object": "box.admin_health",
        "enabled": True,
        "backend": health.backend,
        "storage_mode": health.storage_mode,
        **_queue(health),
        "indexed_documents": health.indexed,
        "failed_documents": health.failed,
        "worker_count": len(health.workers),
        "fresh_worker_count": len(health.fresh),
        "oldest_worker_heartbeat_age_seconds": _oldest(health),
        "workers": [_worker(worker) for worker in health.workers],
    }


async def admin_box_readiness_get(call: Call) -> dict[str, Any]:
    """It is ready when a worker is there: workers share the server's database, and need neither address nor token."""
    health = await read_health(call)
    alerts = find_alerts(health)
    return {
        "object": "box.admin_readiness",
        "ready": not any(alert.severity == "critical" for alert in alerts),
        "enabled": True,
        "backend": health.backend,
        "storage_mode": health.storage_mode,
        "config": {"required": [], "worker_token_configured": False, "api_base_url_configured": False},
        "workers": {
            "total": len(health.workers),
            "fresh": len(health.fresh),
            "stale": len(health.workers) - len(health.fresh),
            "oldest_heartbeat_age_seconds": _oldest(health),
            "workers": [_worker(worker) for worker in health.workers],
        },
        "tools": {
            "pdftotext_available": health.has_tool("pdftotext"),
            "libreoffice_available": health.has_tool("libreoffice"),
            "txt_supported": True,
            "fresh_worker_tools": [tools_of(worker) for worker in health.fresh],
        },
        "queue": _queue(health),
        "documents": {"indexed_documents": health.indexed, "failed_documents": health.failed},
        "metrics": {"available": True, "expected_series": list(METRICS)},
        "smoke": {
            "project_selection": "automatic",
            "txt_required": True,
            "rich_formats_required_for_prod_gate": False,
            "project_id_env_supported": False,
            "local_smoke_requires_rich_formats": False,
        },
        "alerts": [asdict(alert) for alert in alerts],
        "runbook_links": [{"label": path, "href": path} for path in DOCUMENTS],
    }


def _queue(health: Health) -> dict[str, Any]:
    queue = health.queue
    return {
        "queued_jobs": queue.jobs("queued"),
        "leased_jobs": queue.jobs("leased"),
        "retrying_jobs": queue.jobs("retrying"),
        "stale_leased_jobs": queue.jobs("stale"),
        "failed_jobs": queue.failed_jobs,
        "oldest_queued_age_seconds": queue.age_seconds("queued"),
        "oldest_leased_age_seconds": queue.age_seconds("leased"),
        "oldest_retry_age_seconds": queue.age_seconds("retrying"),
        "oldest_stale_lease_age_seconds": queue.age_seconds("stale"),
        "recent_embedding_failures": queue.failures["embedding"],
        "recent_chat_failures": queue.failures["chat"],
        "recent_failures_by_stage": dict(queue.failures),
    }


def _oldest(health: Health) -> int | None:
    return max((worker.age_seconds for worker in health.workers), default=None)


def _worker(worker: Worker) -> dict[str, Any]:
    return {
        "worker_id": worker.seen.id,
        "status": "busy" if worker.seen.job_id else "idle",
        "fresh": worker.is_fresh,
        "active_job_id": worker.seen.job_id,
        "last_heartbeat_at": worker.seen.beat_at.isoformat(),
        "heartbeat_age_seconds": worker.age_seconds,
        "tools": tools_of(worker),
    }

"""What is kept how long, told from the constants and settings that decide it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """`purges` are the repositories' methods by which it is forgotten (`Jobs.purge`)."""

    what: str
    how_long: str
    purges: tuple[str, ...] = ()


def rules() -> Iterator[Kept]:
    yield from _of_requests()
    yield from _of_telemetry()
    yield from _of_work()
    yield from _of_things()


def _of_requests() -> Iterator[Kept]:
    from handlers.core import idempotency, maintenance

    yield Kept("requests, their meter events, feedback and credit entries", "for good: bills are made of them")
    days = _setting("capture_days", "days")
    policy = f"the project's `retention_days`, else {days}"
    yield Kept("captured messages", policy, ("CapturedMessages.purge",))
    yield Kept("idempotency keys and their answers", _days(idempotency.KEPT_SECONDS), ("IdempotencyKeys.purge",))
    yield Kept("windows of limits", _days(maintenance.WINDOWS_KEPT_SECONDS), ("Limits.purge",))
    yield Kept("answers in the cache", f"{_setting('cache_seconds', 'seconds')}, in memory")


def _of_telemetry() -> Iterator[Kept]:
    yield Kept("telemetry: spans, messages, points", "each event's `ttl_seconds`", ("TelemetryLog.purge",))
    yield Kept(
        "events of App Telemetry", _setting("app_telemetry_days", "days"), ("TelemetryLog.purge", "AppEvents.purge")
    )
    unused = f"{_setting('app_telemetry_map_days', 'days')} after their last use"
    yield Kept("source maps", unused, ("SourceMaps.purge",))


def _of_work() -> Iterator[Kept]:
    from handlers.core import maintenance
    from handlers.core.batches import work

    jobs = f"{_days(maintenance.JOBS_KEPT_SECONDS)} after their end"
    yield Kept("jobs and their events", jobs, ("Jobs.purge",))
    batches = f"{_days(work.ROWS_KEPT_SECONDS)} after the batch's end; its files stay"
    yield Kept("rows of batches", batches, ("Batches.purge_items",))


def _of_things() -> Iterator[Kept]:
    from handlers.core import files, files_cleaning

    yield Kept("stored chats, responses, datasets, objects in buckets", "until they are deleted")
    yield Kept("files", "until they are deleted or their `expires_after` is over", ("Files.expire",))
    rows = f"{_days(files_cleaning.ROWS_KEPT_SECONDS)}, without their bytes"
    yield Kept("rows of deleted files", rows, ("Files.purge",))
    yield Kept("bytes that nothing refers to", f"{_days(files.UPLOAD_SECONDS)} at most", ("BlobRows.forget",))
    yield Kept("keys and values", "until they are deleted or their `ttl_seconds` is over")


def _setting(name: str, unit: str) -> str:
    from server.config import Settings, variable

    return f"{Settings.model_fields[name].default:g} {unit} (`{variable(name)}`)"


def _days(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} day" + ("" if days == 1 else "s")

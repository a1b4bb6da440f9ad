"""The metrics there are. Labels have few values: none is made of what tenants send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """A counter's samples are called `<name>_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        return self.name + ("_total" if self.kind == "counter" else "")


OF_REQUEST = ("api", "operation", "model", "provider", "status")
OF_MODEL = ("model", "provider")

REQUESTS = Family("concordat_requests", "counter", "Requests that have ended, by what they were answered", OF_REQUEST)
DURATION = Family(
    "concordat_request_duration_seconds", "histogram", "Time from a request's arrival to its end", OF_REQUEST
)
FIRST_BYTE = Family(
    "concordat_time_to_first_byte_seconds", "histogram", "Time until a model's answer began", ("api", *OF_MODEL)
)
TOKENS = Family(
    "concordat_tokens",
    "counter",
    "Tokens by type: prompt, completion; of the prompt cached and cache_write, of the completion reasoning",
    (*OF_MODEL, "type"),
)
COST = Family("concordat_cost_usd", "counter", "What requests cost, in USD", OF_MODEL)
REFUSED = Family(
    "concordat_requests_refused",
    "counter",
    "Requests without a valid credential, or to no operation; they are not among concordat_requests_total",
    ("api", "status"),
)
IN_PROGRESS = Family("concordat_requests_in_progress", "gauge", "Requests that are being answered")
OPEN_STREAMS = Family("concordat_open_streams", "gauge", "Event streams that have begun and not ended")
PROVIDER_CALLS = Family(
    "concordat_provider_calls",
    "gauge",
    "Calls to a provider that run, and that wait in its queues",
    ("provider", "state"),
)
BREAKERS = Family(
    "concordat_breakers", "gauge", "Deployments whose breaker is open or half_open", ("provider", "state")
)
LEDGER_BACKLOG = Family("concordat_ledger_backlog_rows", "gauge", "Records of requests that wait to be in the database")
LOOP_LAG = Family("concordat_event_loop_lag_seconds", "histogram", "How late the event loop was, twice a second")
WORKERS = Family("concordat_workers", "gauge", "Server processes on one port that this page is of")
JOBS = Family(
    "concordat_jobs",
    "gauge",
    "Background jobs of all processes: queued, running, and those that ended in the last hour",
    ("state",),
)
JOB_AGE = Family(
    "concordat_oldest_queued_job_seconds", "gauge", "How long the job has waited that has waited longest; 0 for none"
)
OTLP_SENT = Family("concordat_otlp_spans_sent", "counter", "Spans that the OTLP collector took")
OTLP_DROPPED = Family(
    "concordat_otlp_spans_dropped", "counter", "Spans that were lost: a full queue, or a collector away"
)

FAMILIES = (
    REQUESTS,
    DURATION,
    FIRST_BYTE,
    TOKENS,
    COST,
    REFUSED,
    IN_PROGRESS,
    OPEN_STREAMS,
    PROVIDER_CALLS,
    BREAKERS,
    LEDGER_BACKLOG,
    LOOP_LAG,
    WORKERS,
    JOBS,
    JOB_AGE,
    OTLP_SENT,
    OTLP_DROPPED,
)

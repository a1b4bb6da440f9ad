"""One million requests in the ledger, and how long it takes to ask for them: `python -m benchmarks.history [ROWS]`.

Fills an SQLite database in a temporary folder, prints the milliseconds of operations over HTTP, of a server of its own
and of its processor time, and then what the ledger's writer takes for a row with the indices of the history and
without.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.rig.family import cpu_seconds
from storage.database import Database
from storage.ledger import tally
from storage.ledger.sink import line
from storage.ledger.sqlite import UPSERT, SqliteSink, moment
from storage.ledger_record import Record
from storage.repositories.projects import Projects
from tests.live import LiveServer

ROWS = 1_000_000
BATCH_ROWS = 512
COST_ROWS = 20_000
RUNS = 31
DAYS = 30
MODELS = tuple(f"vendor/model-{number}" for number in range(20))
APIS = ("ipop", "maniac", "llama_stack", "llama_stack_deprecated")
KEYS = tuple(f"key_{number:02}" for number in range(40))
TELEMETRY = "/llama-stack-deprecated/v1/telemetry"
INDICES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'ix_requests_%' AND sql LIKE '%kind%'"


@dataclass
class Filling:
    """Nine in ten requests are of the project that is measured."""

    project_ids: tuple[str, str]
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    until: float = field(default_factory=time.time)
    since: float = 0.0

    def __post_init__(self) -> None:
        self.since = self.since or self.until - DAYS * 86_400

    def records(self, rows: int) -> Iterator[Record]:
        """Oldest first, as they would come; the next time on from there."""
        self.since, since = self.until, self.since
        for number in range(rows):
            yield self._record(since + (self.until - since) * number / rows)
        self.until += 3600

    def _record(self, at: float) -> Record:
        dice = self.dice
        state = dice.choices(("completed", "failed", "interrupted"), (97, 2, 1))[0]
        error = None if state == "completed" else dice.choice(("upstream_timeout", "hung_up", "invalid_request"))
        prompt, completion = dice.randint(10, 4000), dice.randint(1, 800)
        model = MODELS[min(int(dice.expovariate(0.3)), len(MODELS) - 1)]
        took = dice.randint(200_000, 9_000_000)
        one = {"vendor": "openai", "model": model, "at_us": 900, "took_us": took, "fate": "answered"}
        return Record(
            request_id=f"req_{dice.getrandbits(96):024x}", api=dice.choice(APIS), kind="chat", started_at=at,
            operation_id="chat_completions_create", project_id=self.project_ids[dice.random() > 0.9],
            key_id=dice.choice(KEYS), state=state,  # type: ignore[arg-type]
            http_status=200 if state == "completed" else 503,
            error_code=error,
            streamed=dice.random() < 0.5, model=model, provider="openai", upstream_model=model, prompt_tokens=prompt,
            completion_tokens=completion, cached_tokens=prompt // 3, cost_micros=3 * prompt + 15 * completion,
            prompt_cost_micros=2 * prompt, duration_us=took, first_byte_us=took // 3, finish_reason="stop",
            requested_model=model, try_count=1, tries=[one],
        )  # fmt: skip


def fill(path: Path, filling: Filling, rows: int) -> None:
    """In bulk: rows, then their sums, then the indices."""
    values = (line(record, "proc", moment).values for record in filling.records(rows))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        indices = drop_indices(connection)
        connection.executemany(UPSERT, values)
        for statement in tally.tally("sqlite", "IS NOT NULL", 1):
            connection.execute(statement)
        for statement in indices:
            connection.execute(statement)
        connection.commit()


def drop_indices(connection: sqlite3.Connection) -> list[str]:
    """Answers the statements that make them again."""
    indices = connection.execute(INDICES).fetchall()
    for name, _ in indices:
        connection.execute(f"DROP INDEX {name}")
    return [statement for _, statement in indices]


def write(path: Path, filling: Filling, rows: int) -> float:
    """Seconds in which the ledger itself writes so many rows; making them up is not counted."""
    sink, took, now = SqliteSink(path), 0.0, datetime.now(UTC)
    lines = [line(record, "proc", moment) for record in filling.records(rows)]
    for start in range(0, rows, BATCH_ROWS):
        began = time.perf_counter()
        sink.write(lines[start : start + BATCH_ROWS], now)
        took += time.perf_counter() - began
    sink.close()
    return took


def measure_indices(path: Path, filling: Filling) -> None:
    """What the indices add to a row, in a database that is full."""
    with_them = write(path, filling, COST_ROWS) / COST_ROWS * 1e6
    with closing(sqlite3.connect(path)) as connection:
        drop_indices(connection)
        connection.commit()
    without = write(path, filling, COST_ROWS) / COST_ROWS * 1e6
    print(f"a row in the full ledger: {with_them:.1f} us, without the history's indices {without:.1f} us")


@dataclass
class Asker:
    """`pid` and `server_url` are the server's."""

    client: httpx.Client
    admin: httpx.Client
    now: float
    pid: int
    server_url: str
    dice: random.Random = field(default_factory=lambda: random.Random(2))

    def history(self, **params: Any) -> httpx.Response:
        return self.client.get("/request-history", params={"limit": 20, **params})

    def window(self) -> dict[str, str]:
        """A day somewhere in the month."""
        since = self.now - self.dice.random() * (DAYS - 1) * 86_400 - 86_400
        names = ("created_at_from", "created_at_to")
        return {name: datetime.fromtimestamp(since + 86_400 * n, UTC).isoformat() for n, name in enumerate(names)}

    def somewhere(self) -> str:
        """The id of a request in a random hour."""
        found: list[dict[str, str]] = self.history(**self.window()).json()
        return found[-1]["request_id"]

    def event_window(self) -> dict[str, str]:
        return {name.replace("created", "occurred"): value for name, value in self.window().items()}

    def acts(self) -> dict[str, Any]:
        dice, post = self.dice, self.admin.post
        events = "/admin/inference/events"
        return {
            "list": self.history,
            "list, from a cursor on": lambda: self.history(after=self.cursors.pop()),
            "filter by model": lambda: self.history(model=dice.choice(MODELS)),
            "filter by a model that nobody asked": lambda: self.history(model="vendor/none"),
            "filter by status": lambda: self.history(status=dice.choice(("failed", "canceled", "completed"))),
            "filter by key": lambda: self.history(key_id=dice.choice(KEYS)),
            "filter by API": lambda: self.history(api=dice.choice(APIS)),
            "filter by time": lambda: self.history(**self.window()),
            "filter by model, status, API and time": lambda: self.history(
                model=MODELS[0], status="failed", api="ipop", **self.window()
            ),
            "filter by a rare model and an API": lambda: self.history(model=MODELS[-3], api=dice.choice(APIS)),
            "filter by a rare model and status": lambda: self.history(model=MODELS[-3], status="failed"),
            "usage": lambda: self.client.get("/usage", params={"limit": 20}),
            "usage of a model": lambda: self.client.get("/usage", params={"limit": 20, "model": dice.choice(MODELS)}),
            "usage of an API": lambda: self.client.get("/usage", params={"limit": 20, "api": dice.choice(APIS)}),
            "usage of a day": lambda: self.client.get("/usage", params={"limit": 20, **self.window()}),
            "meter events": lambda: self.client.get("/account/meter-events", params={"limit": 100}),
            "admin: events": lambda: post(events, json={"limit": 100}),
            "admin: failures": lambda: post(events, json={"limit": 100, "kinds": ["failed"]}),
            "admin: failures of a model": lambda: post(
                events, json={"limit": 100, "model": dice.choice(MODELS[:5]), "kinds": ["failed"]}
            ),
            "admin: events of a day": lambda: post(events, json={"limit": 100, **self.event_window()}),
            "admin: stats of a day": lambda: self.admin.get("/admin/inference/stats"),
            "admin: stats of a week": lambda: self.admin.get("/admin/inference/stats", params={"window_hours": 168}),
            **self.telemetry(),
        }

    def telemetry(self) -> dict[str, Any]:
        def traces(*filters: Any) -> httpx.Response:
            named = [dict(zip(("key", "op", "value"), one, strict=True)) for one in filters]
            return self.client.post(
                f"{self.server_url}{TELEMETRY}/traces", json={"attribute_filters": named, "limit": 100}
            )

        def tokens(days: float, granularity: str) -> httpx.Response:
            asked = {"start_time": int(self.now - days * 86_400), "end_time": int(self.now), "query_type": "range"}
            return self.client.post(
                f"{self.server_url}{TELEMETRY}/metrics/total_tokens", json={**asked, "granularity": granularity}
            )

        return {
            "traces": traces,
            "traces of a model": lambda: traces(("model", "eq", self.dice.choice(MODELS))),
            "traces of a model that nobody asked": lambda: traces(("model", "eq", "vendor/none")),
            "traces without a model": lambda: traces(("model", "eq", None)),
            "traces with an attribute of nobody's": lambda: traces(("custom", "eq", "x")),
            "traces of more tokens than there are": lambda: traces(("prompt_tokens", "gt", 1_000_000)),
            "tokens of a month by day and provider": lambda: tokens(DAYS, "1d"),
            "tokens of a day by hour and provider": lambda: tokens(1, "1h"),
        }

    def run(self) -> None:
        self.cursors = [self.somewhere() for _ in range(RUNS + 1)]
        print(f"{'':40}{'p50 ms':>9}{'max ms':>9}{'cpu ms':>9}")
        for name, act in self.acts().items():
            took, worked = [], cpu_seconds(self.pid)
            for _ in range(RUNS):
                began = time.perf_counter()
                answer = act()
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
            cpu_ms = (cpu_seconds(self.pid) - worked) * 1000 / RUNS
            print(f"{name:40}{statistics.median(took):9.2f}{max(took):9.2f}{cpu_ms:9.2f}", flush=True)


async def project_ids(path: Path) -> tuple[str, str]:
    database = Database.open(f"sqlite:///{path}")
    found = [await Projects(database).find(slug) for slug in ("default", "other")]
    await database.close()
    default, other = (project.id for project in found if project)
    return default, other


def ask(server: LiveServer, until: float) -> None:
    assert server.process
    prefix = f"{server.url}/ipop/v1"
    with (
        httpx.Client(base_url=prefix, headers={"Authorization": f"Bearer {server.key}"}, timeout=60) as client,
        httpx.Client(base_url=prefix, headers={"X-Admin-Token": server.admin_token}, timeout=60) as admin,
    ):
        Asker(client, admin, until, server.process.pid, server.url).run()


def main(rows: int = ROWS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder), {"CONCORDAT_VALIDATE_RESPONSES": "false"})
        path = Path(folder) / "concordat.db"
        server.start()
        server.stop()
        filling = Filling(asyncio.run(project_ids(path)))
        until = filling.until
        fill(path, filling, rows)
        print(f"{rows} rows, {path.stat().st_size / 2**20:.0f} MB")
        server.start()
        try:
            ask(server, until)
        finally:
            server.stop()
        measure_indices(path, filling)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

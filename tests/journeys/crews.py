"""Clients of a server of several processes, each of which speaks with another of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import orjson

from tests.journeys.waiting import START_SECONDS, eventually
from tests.live import LiveServer

STREAMS = "/ipop/v1/admin/inference/streams"


def client_of(server: LiveServer, key: str | None = None) -> httpx.Client:
    """Keeps one connection, and so to one process, as long as it is not idle for seconds; streams open others."""
    headers = {"Authorization": f"Bearer {key or server.key}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=60)


def instance_of(client: httpx.Client, server: LiveServer) -> str:
    """The id of the process that answers."""
    answer = client.get(STREAMS, headers={"X-Admin-Token": server.admin_token})
    return str(answer.raise_for_status().json()["instance_id"])


@contextmanager
def one_client_each(server: LiveServer, count: int, key: str | None = None) -> Iterator[list[httpx.Client]]:
    """Connects until all `count` processes were met."""
    met: dict[str, httpx.Client] = {}
    with ExitStack() as stack:

        def connect() -> int:
            client = stack.enter_context(client_of(server, key))
            met.setdefault(instance_of(client, server), client)
            return len(met)

        eventually(connect, lambda found: found >= count, START_SECONDS)
        yield list(met.values())


def told(server: LiveServer, event: str) -> list[dict[str, object]]:
    """The lines of the log about this event, oldest first."""
    lines = [line for line in server.log_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [found for found in map(orjson.loads, lines) if found["event"] == event]


def serving(server: LiveServer) -> dict[int, int]:
    """The process ids of the newest process in each place."""
    return {int(str(one["worker"])): int(str(one["pid"])) for one in told(server, "worker_serves")}


def samples(page: str, name: str) -> dict[str, float]:
    """By worker, summed up."""
    found: dict[str, float] = {}
    for labels, value in re.findall(rf"^{name}{{(.*)}} (\S+)$", page, re.MULTILINE):
        worker = re.search(r'worker="(\d+)"', labels)
        assert worker is not None, labels
        found[worker[1]] = found.get(worker[1], 0) + float(value)
    return found

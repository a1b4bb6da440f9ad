"""Clients that go on asking whatever happens to the servers, and the accounts that are drawn up afterwards."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from tests.heavy.load import CLIENTS, asking
from tests.journeys.dialects import DIALECTS, IPOP, Dialect, payloads
from tests.journeys.ledger import LedgerReader
from tests.live import LiveServer

MODEL = "claude-sonnet-4.6"
"""Simulated, and priced at 3 and 15 micro-dollars a token."""
CREDITS_USD = 1000
PAUSE_SECONDS = 0.02
"""After an answer that was none."""
RECOVERY_SECONDS = 60.0


@dataclass
class Siege:
    """Asks each of the servers in turn. Ids of requests: whose status line came (`begun`), and whose answers were read
    to their end (`ended`). `cut` connections broke; `untold` are refusals that were not 503 with `Retry-After`."""

    servers: Sequence[LiveServer]
    model: str = MODEL
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    refused: int = 0
    cut: int = 0
    broken_streams: int = 0
    untold: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def running(self) -> AbstractContextManager[None]:
        return asking(self._ask, self.stopping)

    def wait_for_answers(self, count: int) -> float:
        """Until so many more were read; answers how many seconds that took."""
        began, before = time.monotonic(), len(self.ended)
        while len(self.ended) < before + count:
            assert time.monotonic() - began < RECOVERY_SECONDS, f"only {len(self.ended) - before} answers"
            time.sleep(0.02)
        return time.monotonic() - began

    def _ask(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self.servers[0].key}"}
        with httpx.Client(headers=headers, timeout=60) as client:
            for turn in itertools.count(number):
                if self.stopping.is_set():
                    return
                server = self.servers[turn // CLIENTS % len(self.servers)]
                dialect, stream = DIALECTS[turn % len(DIALECTS)], turn // len(DIALECTS) % 2 == 0
                try:
                    is_answer = self._chat(client, server.url, dialect, stream)
                except httpx.TransportError:
                    self.cut += 1
                    is_answer = False
                if not is_answer:
                    time.sleep(PAUSE_SECONDS)

    def _chat(self, client: httpx.Client, url: str, dialect: Dialect, stream: bool) -> bool:
        body = dialect.chat(self.model, stream=stream)
        with client.stream("POST", url + dialect.url, json=body) as answer:
            if answer.status_code != 200:
                self._note_refusal(answer)
                return False
            request_id = answer.headers["x-request-id"]
            self.begun.append(request_id)
            if not stream:
                answer.read()
            elif not any(dialect.is_end(text) for text in payloads(answer.iter_lines())):
                self.broken_streams += 1
                return False
            self.ended.append(request_id)
            self.moments.append(time.monotonic())
            return True

    def _note_refusal(self, answer: httpx.Response) -> None:
        body = answer.read().decode()
        self.refused += 1
        if answer.status_code != 503 or not answer.headers.get("retry-after", "").isdigit():
            self.untold.append(f"{answer.status_code} {dict(answer.headers)} {body}")


def give_credits(server: LiveServer) -> None:
    done = server.cli("credits", "set", str(CREDITS_USD))
    assert done.returncode == 0, done.stderr


def draw_up_accounts(server: LiveServer, siege: Siege) -> str:
    """What was acknowledged is recorded once, and what was recorded is paid for once. Answers a line to print."""
    _wait_until_settled(server)
    records = LedgerReader.of(server).all("default")
    states = {record.request_id: record.state for record in records}
    assert len(states) == len(records)
    assert len(set(siege.ended)) == len(siege.ended) > 0
    assert Counter(states.get(request_id) for request_id in siege.ended) == {"completed": len(siege.ended)}
    assert {states.get(request_id) for request_id in siege.begun} <= {"completed", "interrupted", "failed"}
    whole = _tokens_of_a_chat(server)
    costs = {(r.prompt_tokens, r.completion_tokens, r.cost_micros) for r in records if r.state == "completed"}
    assert costs == {(*whole, 3 * whole[0] + 15 * whole[1])}
    spent = sum(record.cost_micros for record in LedgerReader.of(server).all("default"))
    assert _balance_micros(server) == CREDITS_USD * 1_000_000 - spent
    gap = max((later - sooner for sooner, later in itertools.pairwise(sorted(siege.moments))), default=0.0)
    return (
        f"{len(siege.ended)} answers read, {siege.refused} refused with 503, {siege.broken_streams} streams and"
        f" {siege.cut} connections broken, {gap:.1f} s without an answer; {Counter(states.values())} in the ledger"
    )


def _wait_until_settled(server: LiveServer) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while any(record.state == "started" for record in LedgerReader.of(server).all("default")):
        assert time.monotonic() < deadline, "requests are left unfinished"
        time.sleep(0.5)


def _tokens_of_a_chat(server: LiveServer) -> tuple[int, int]:
    headers = {"Authorization": f"Bearer {server.key}"}
    answer = httpx.post(server.url + IPOP.url, json=IPOP.chat(MODEL), headers=headers, timeout=60)
    usage: dict[str, Any] = answer.raise_for_status().json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def _balance_micros(server: LiveServer) -> int:
    shown = server.cli("credits", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    return round(float(orjson.loads(shown.stdout)["balance_usd"]) * 1_000_000)

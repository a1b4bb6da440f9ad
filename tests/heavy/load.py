"""Clients that ask without a pause, each in a thread."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import httpx

from tests.journeys.dialects import DIALECTS, Dialect, payloads
from tests.live import LiveServer

CLIENTS = 8


@contextmanager
def asking(ask: Callable[[int], None], stopping: threading.Event) -> Iterator[None]:
    """`CLIENTS` threads, each with a number of its own, until they see that they are to stop."""
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


@dataclass
class Load:
    """Ids of requests: whose status line came (`begun`), and whose answers were read to their end (`ended`)."""

    server: LiveServer
    model: str = "simulator/chat"
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def running(self) -> AbstractContextManager[None]:
        return asking(self._ask, self.stopping)

    def _ask(self, number: int) -> None:
        """Until it is told to stop, or the server is gone."""
        headers = {"Authorization": f"Bearer {self.server.key}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=30) as client:
            for turn in itertools.count(number):
                if self.stopping.is_set():
                    return
                try:
                    self._chat(client, DIALECTS[turn % len(DIALECTS)], stream=turn // len(DIALECTS) % 2 == 0)
                except httpx.TransportError:
                    return

    def _chat(self, client: httpx.Client, dialect: Dialect, stream: bool) -> None:
        with client.stream("POST", dialect.url, json=dialect.chat(self.model, stream=stream)) as answer:
            request_id = answer.headers["x-request-id"]
            if answer.status_code != 200:
                self.refused.append(answer.read().decode())
                return
            self.begun.append(request_id)
            if not stream:
                answer.read()
            elif not any(dialect.is_end(text) for text in payloads(answer.iter_lines())):
                return
            self.ended.append(request_id)

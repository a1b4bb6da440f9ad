"""Vendors on loopback, in a thread of the test process, for a server that takes them for the real ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from tests.contract.providers import wires
from tests.contract.providers.fake_vendor import FakeVendor, Reply, sse_reply
from tests.journeys.waiting import eventually

CANDID = {"CONCORDAT_RETRIES": "0", "CONCORDAT_BREAKER_FAILURES": "0"}
"""For servers that are to tell every fault at once."""
HASTY = {**CANDID, "CONCORDAT_FIRST_BYTE_TIMEOUT_SECONDS": "4", "CONCORDAT_IDLE_TIMEOUT_SECONDS": "1"}
"""For vendors that fall silent. What is to come before that has more time than what is to stay away."""
KEYS = {"openai": "sk-openai-0123456789abcdef", "anthropic": "sk-ant-0123456789abcdef"}


@dataclass(frozen=True)
class LoopbackVendor:
    """`model` is the catalog's id of a model that it serves under the name `upstream_model`."""

    name: str
    model: str
    upstream_model: str
    fake: FakeVendor
    wire: Mapping[str, tuple[bytes, list[bytes]]]

    @property
    def key(self) -> str:
        return KEYS[self.name]

    def ready(self) -> LoopbackVendor:
        """As it is at the beginning of a test, once no answer of an earlier one is under way."""
        self.fake.first.clear()
        self.fake.released.set()
        eventually(lambda: self.fake.busy, lambda busy: not busy)
        self.says()
        self.fake.seen.clear()
        return self

    def says(self, scenario: str = "text") -> None:
        whole, events = self.wire[scenario]
        self.answers(Reply([whole]), sse_reply(events))

    def says_slowly(self) -> None:
        """Begins to stream, and goes on when it is released."""
        events = self.wire["text"][1]
        self.answers(Reply([self.wire["text"][0]]), sse_reply([b"".join(events[:3]), *events[3:]]))
        self.fake.released.clear()

    def refuses(self, status: int, message: str, **headers: str) -> None:
        error = {"openai": wires.openai_error, "anthropic": wires.anthropic_error}[self.name](message)
        self.answers(Reply([error], status=status, headers={"retry-after": "7", **headers}))

    def answers(self, reply: Reply, streamed: Reply | None = None) -> None:
        self.fake.gone.clear()
        self.fake.reply, self.fake.streamed_reply = reply, streamed or reply

    def presented_key(self) -> str:
        """The key that came with the last request."""
        headers = self.fake.last.headers
        return headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ")


@contextmanager
def vendors() -> Iterator[dict[str, LoopbackVendor]]:
    openai, anthropic = FakeVendor(), FakeVendor()
    loop, begun = asyncio.new_event_loop(), threading.Event()
    ended = asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for fake in (openai, anthropic):
                await stack.enter_async_context(fake.running())
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    begun.wait()
    try:
        yield {
            "openai": LoopbackVendor("openai", "openai/gpt-5.5", "gpt-5.5", openai, wires.OPENAI),
            "anthropic": LoopbackVendor(
                "anthropic", "claude-sonnet-4.6", "claude-sonnet-4-6", anthropic, wires.ANTHROPIC
            ),
        }
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def settings_for(served: Mapping[str, LoopbackVendor]) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": served["openai"].key,
        "OPENAI_BASE_URL": served["openai"].fake.url + "/v1",
        "ANTHROPIC_API_KEY": served["anthropic"].key,
        "ANTHROPIC_BASE_URL": served["anthropic"].fake.url,
    }

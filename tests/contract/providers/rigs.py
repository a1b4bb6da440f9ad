"""Every implementation of `Inference`, with what makes it answer and fail on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

from providers.http import HttpClient, Timeouts
from providers.inference.anthropic import Anthropic
from providers.inference.interface import ChatRequest, Chunk, Inference, TextRequest, each
from providers.inference.openai_compatible import OpenAICompatible
from providers.inference.simulator import Simulator
from providers.vendor import Vendor
from tests.contract.providers import wires
from tests.contract.providers.fake_vendor import FakeVendor, Reply
from tests.contract.providers.wires import SCENARIOS

KEY = "sk-very-secret-key"
OTHER_SECRET = "organisation-secret"
NOW = 1_800_000_000.0
PATIENT = Timeouts(connect_seconds=60, first_byte_seconds=60, idle_seconds=60)
HASTY = Timeouts(connect_seconds=60, first_byte_seconds=0.5, idle_seconds=0.5)
"""For a vendor that is to stay silent: one that answers may take longer than that on a busy machine."""

Mode = Literal["whole", "stream"]


@dataclass
class Rig:
    """`vendor` is None for the simulator, which is told by its model's name."""

    kind: str
    inference: Inference
    vendor: FakeVendor | None = None
    model: str = "chat"

    def ready(self, scenario: str) -> None:
        """The vendor will answer the scenario, streamed when asked so."""
        if self.vendor is not None:
            whole, events = {"openai": wires.OPENAI, "anthropic": wires.ANTHROPIC}[self.kind][scenario]
            self.vendor.reply = Reply([whole])
            self.vendor.streamed_reply = Reply(events, content_type="text/event-stream")

    def failing(self, status: int, message: str, **headers: str) -> None:
        if self.vendor is None:
            self.model = f"error-{status}"
            return
        body = wires.anthropic_error(message) if self.kind == "anthropic" else wires.openai_error(message)
        self.answering(Reply([body], status=status, headers=headers))

    def answering(self, reply: Reply) -> None:
        assert self.vendor is not None
        self.vendor.reply, self.vendor.streamed_reply = reply, None

    def request(self, scenario: str, **options: Any) -> ChatRequest:
        asked = SCENARIOS[scenario]
        return ChatRequest(self.model, asked.messages, {**asked.options, **options})

    async def chunks(self, request: ChatRequest | TextRequest) -> list[Chunk]:
        stream = (
            self.inference.stream_chat(request)
            if isinstance(request, ChatRequest)
            else self.inference.stream_complete(request)
        )
        async with aclosing(cast(Any, stream)) as bursts:
            return [chunk async for burst in bursts for chunk in each(burst)]

    async def call(self, mode: Mode, request: ChatRequest) -> Any:
        return await (self.inference.chat(request) if mode == "whole" else self.chunks(request))


@asynccontextmanager
async def rig_of(kind: str, timeouts: Timeouts = PATIENT) -> AsyncIterator[Rig]:
    if kind == "simulator":
        yield Rig(kind, Simulator(clock=lambda: NOW, new_id=lambda: "1", hang_seconds=0.2))
        return
    makers: dict[str, Callable[..., Inference]] = {"openai": OpenAICompatible, "anthropic": Anthropic}
    async with FakeVendor().running() as vendor:
        http = HttpClient(timeouts)
        who = Vendor("acme", vendor.url + "/v1", KEY, {"x-organisation": OTHER_SECRET})
        yield Rig(kind, makers[kind](who, http, clock=lambda: NOW), vendor)
        await http.close()


def joined(chunks: list[Chunk]) -> dict[str, Any]:
    """The message that a client puts together from the deltas of choice 0, and the reason that ended it."""
    message: dict[str, Any] = {"role": None, "content": None}
    finish_reason = None
    for chunk in chunks:
        for choice in chunk.body["choices"]:
            if choice["index"] == 0:
                _add(message, choice["delta"])
                finish_reason = choice["finish_reason"] or finish_reason
    return {"message": message, "finish_reason": finish_reason}


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name in ("tool_calls", "thinking_blocks"):
            _add_items(message.setdefault(name, []), value)
        elif name == "role":
            message["role"] = value
        elif value is not None:
            message[name] = (message.get(name) or "") + value


def _add_items(items: list[dict[str, Any]], deltas: list[dict[str, Any]]) -> None:
    for delta in deltas:
        rest = {name: value for name, value in delta.items() if name != "index"}
        if delta["index"] == len(items):
            items.append(rest)
        else:
            items[delta["index"]]["function"]["arguments"] += rest["function"]["arguments"]


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message without what says nothing: null and empty members."""
    return {name: value for name, value in message.items() if value not in (None, "", [])}

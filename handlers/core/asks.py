"""What a client asks of a model, in no dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from handlers.core.own_keys import KeyWish
from providers.inference.interface import ChatRequest, Chunk, Message, TextRequest, Usage

__all__ = ["AnyAsk", "Ask", "ChatAsk", "Chunk", "Message", "Request", "TextAsk", "Usage"]

Request = ChatRequest | TextRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`models` are public ids: the one wanted, then those to fall back to. `options` are parameters of OpenAI's API
    under their own names. `max_cost_usd` is a promise to the client, kept before and by the vendor's call."""

    models: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    max_cost_usd: Decimal | None = None
    keys: KeyWish = field(default_factory=KeyWish)

    @property
    def max_tokens(self) -> int | None:
        """The limit on one choice of the answer."""
        limit = self.options.get("max_completion_tokens") or self.options.get("max_tokens")
        return limit if isinstance(limit, int) else None

    @property
    def choices(self) -> int:
        n = self.options.get("n")
        return n if isinstance(n, int) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAsk(Ask):
    """`store` asks for the chat to be kept once it is answered."""

    messages: Sequence[Message]
    store: bool = False

    @property
    def size(self) -> int:
        """How many requests to a vendor it takes."""
        return 1

    def request(self, number: int, model: str) -> ChatRequest:
        return ChatRequest(model, self.messages, self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextAsk(Ask):
    """Every prompt is completed by itself; choices are numbered through."""

    prompts: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.prompts)

    def request(self, number: int, model: str) -> TextRequest:
        return TextRequest(model, self.prompts[number], self.options)


AnyAsk = ChatAsk | TextAsk

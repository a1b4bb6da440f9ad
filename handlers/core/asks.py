"""What a client asks of a model, in no dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import orjson

from handlers.core.regions import RegionWish
from providers.inference.interface import Burst, ChatRequest, Chunk, Message, Run, Shape, TextRequest, Usage, each

__all__ = [
    "AnyAsk",
    "Ask",
    "Burst",
    "ChatAsk",
    "Chunk",
    "Message",
    "Request",
    "Run",
    "Shape",
    "TextAsk",
    "Usage",
    "Wishes",
    "each",
]

Request = ChatRequest | TextRequest
CacheMode = Literal["default", "use", "bypass"]
"""Whether an answer that was given before will do; `default` is as the operator says."""


Policy = Literal["byok_first_with_hosted_fallback", "byok_only", "hosted_only", "fail_closed_on_byok_error"]
Profile = Literal["network_first", "latency_first", "cost_first", "privacy_first"]
"""Which of a model's deployments are asked first: those of the operator's own network, those that lately answered
soonest, the cheapest, or those that keep nothing of what they are sent."""
DEFAULT_POLICY: Policy = "byok_first_with_hosted_fallback"


@dataclass(frozen=True, slots=True)
class KeyWish:
    """`given` are keys by vendor that came with the request: they go before stored ones and are kept nowhere."""

    policy: Policy = DEFAULT_POLICY
    given: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Steering:
    """What a client wants of the way to its answer. Without an answer after `hedge_after_seconds` a second deployment
    is asked as well; without `fallback` only the first choice may answer; requests of one `affinity` go to the same
    deployment as long as it answers. `batch` is our own word for work that vendors charge less for."""

    hedge_after_seconds: float | None = None
    fallback: bool = True
    profile: Profile | None = None
    affinity: str | None = None
    cache: CacheMode = "default"
    batch: bool = False


@dataclass(slots=True, kw_only=True)
class Wishes:
    """How a request is to be answered, whatever it asks. `max_cost_usd` is a promise to the client, kept before and by
    the vendor's call."""

    max_cost_usd: Decimal | None = None
    keys: KeyWish = field(default_factory=KeyWish)
    steering: Steering = Steering()
    region: RegionWish = field(default_factory=RegionWish)

    @property
    def as_arguments(self) -> dict[str, Any]:
        """For an ask that is to have them."""
        return {name: getattr(self, name) for name in Wishes.__slots__}


@dataclass(slots=True, kw_only=True)
class Ask(Wishes):
    """`models` are public ids: the one wanted, then those to fall back to. `options` are parameters of OpenAI's API
    under their own names."""

    models: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def max_tokens(self) -> int | None:
        """The limit on one choice of the answer."""
        limit = self.options.get("max_completion_tokens") or self.options.get("max_tokens")
        return limit if isinstance(limit, int) else None

    @property
    def choices(self) -> int:
        n = self.options.get("n")
        return n if isinstance(n, int) else 1


@dataclass(slots=True, kw_only=True)
class ChatAsk(Ask):
    """`store` asks for the chat to be kept once it is answered."""

    messages: Sequence[Message]
    store: bool = False

    @property
    def size(self) -> int:
        """How many requests to a vendor it takes."""
        return 1

    @property
    def prompt_bytes(self) -> bytes:
        """The messages as compact JSON."""
        return orjson.dumps(list(self.messages))

    def request(self, number: int, model: str) -> ChatRequest:
        return ChatRequest(model, self.messages, self.options)


@dataclass(slots=True, kw_only=True)
class TextAsk(Ask):
    """Every prompt is completed by itself; choices are numbered through."""

    prompts: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.prompts)

    @property
    def prompt_bytes(self) -> bytes:
        """The prompts as a compact JSON list."""
        return orjson.dumps(self.prompts)

    def request(self, number: int, model: str) -> TextRequest:
        return TextRequest(model, self.prompts[number], self.options)


AnyAsk = ChatAsk | TextAsk

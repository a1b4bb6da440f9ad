"""What a request may use, what it used, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import orjson

from handlers.core.asks import AnyAsk, ChatAsk, Request
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.container_routes import Route
from handlers.core.errors import Invalid
from handlers.core.own_keys import OwnKey, note_key
from handlers.core.pricing import Cost, dearest_input_usd, dearest_output_usd, pick_price, split_cost
from handlers.core.routing import Attempt
from providers import tokens
from providers.inference.interface import Burst, ChatRequest, Usage

BYTES_PER_TOKEN = 3
MESSAGE_TOKENS = 4
MOST_TOKENS = 2**31
ANSWER_TOKENS = 64
"""How long an answer without a limit is taken to be, beyond the length of its prompt."""
TALLY_SECONDS = 1.0
_TIERS: Mapping[object, str] = {
    "default": "standard",
    "standard": "standard",
    "priority": "priority",
    "flex": "flex",
}
"""What vendors call the tiers of price cards."""


NOTHING, FREE = Usage(0, 0), Cost()


class Served(Protocol):
    """A model and the place that answers for it, in whatever it is asked for."""

    @property
    def model(self) -> Model: ...

    @property
    def deployment(self) -> Deployment: ...

    @property
    def own(self) -> OwnKey[Any] | None: ...

    @property
    def route(self) -> Route | None: ...

    @property
    def number(self) -> int: ...

    @property
    def region(self) -> str | None: ...


Place = TypeVar("Place", bound=Served)


class Meter:
    """One admitted request. Its record is filled in as it goes; `settle` is awaited exactly once, at its end."""

    def __init__(self, call: Call, admission: Any, service_tier: str) -> None:
        self.usage = NOTHING
        self._cost = FREE
        self.cached = False
        self.call = call
        self.admission = admission
        self._service_tier = service_tier

    @property
    def cost_micros(self) -> int:
        return self._cost.micros

    def begin(self, attempt: Served) -> None:
        record = self.call.record
        record.model = attempt.model.id
        record.provider = attempt.deployment.vendor
        record.upstream_model = attempt.deployment.model
        record.region, record.fallbacks = attempt.region, attempt.number
        if record.trace is not None:
            container_id = attempt.route.container.id if attempt.route else None
            record.trace = replace(record.trace, container_id=container_id)
        note_key(record, attempt.own)

    def note_first_byte(self) -> None:
        record = self.call.record
        if record.first_byte_us is None:
            record.first_byte_us = int((self.call.services.clock() - record.started_at) * 1_000_000)

    def charge(self, attempt: Served, usage: Usage, finish_reason: str | None) -> None:
        """Adds up: a request of several prompts is charged for each."""
        self.usage, self._cost = self._with(attempt, usage)
        self._enter(self.usage, self._cost)
        self.call.record.finish_reason = finish_reason

    def note(self, attempt: Served, usage: Usage) -> None:
        """Enters what a stream has used so far, in case that nobody lives to charge it."""
        self._enter(*self._with(attempt, usage))

    def replay(self, attempt: Served, usage: Usage, finish_reason: str | None) -> None:
        """For an answer that was kept: it shows what it took when it was given, and costs nothing."""
        self.cached = self.call.record.cache_hit = True
        self.begin(attempt)
        self.note_first_byte()
        self.usage = usage
        self._enter(usage, Cost())
        self.call.record.finish_reason = finish_reason

    def include(self, other: Meter) -> None:
        """What another request to a vendor took, for the same answer. Each is settled by itself."""
        self.usage, self._cost = sum_usage(self.usage, other.usage), self._cost + other._cost

    def include_cost(self, micros: int) -> None:
        """Of what was used beside the model."""
        self._cost = self._cost + Cost(prompt_micros=micros)

    def note_tier(self, answered: object) -> None:
        """The tier that the vendor says it answered in, which need not be the one that was asked for."""
        if self._service_tier != "batch" and answered in _TIERS:
            self._service_tier = _TIERS[answered]

    def _with(self, attempt: Served, usage: Usage) -> tuple[Usage, Cost]:
        """What a vendor bills to a key that is not ours costs nothing here."""
        if attempt.own is not None:
            return sum_usage(self.usage, usage), self._cost
        price = pick_price(attempt.model, attempt.deployment.vendor, usage.prompt_tokens, self._service_tier)
        cost = split_cost(price, usage)
        if self.usage is NOTHING and self._cost is FREE:  # as nearly always
            return usage, cost
        return sum_usage(self.usage, usage), self._cost + cost

    def _enter(self, usage: Usage, cost: Cost) -> None:
        record = self.call.record
        record.prompt_tokens = usage.prompt_tokens
        record.completion_tokens = usage.completion_tokens
        record.cached_tokens = usage.cached_tokens
        record.cache_write_tokens = usage.cache_write_tokens
        record.reasoning_tokens = usage.reasoning_tokens
        record.cost_micros = cost.micros
        record.prompt_cost_micros, record.cached_cost_micros = cost.prompt_micros, cost.cached_micros

    async def settle(self) -> None:
        quota = self.call.services.quota
        await quota.settle(self.admission, tokens=self.usage.total_tokens, cost_micros=self.cost_micros)


class Tally:
    """Counts a stream while it runs, now and then, and each chunk once; more rarely when many streams run."""

    def __init__(self, meter: Meter, attempt: Attempt, request: Request) -> None:
        self._meter = meter
        self._attempt = attempt
        self._request = request
        self._clock = meter.call.services.clock
        self._counted_at = self._clock()
        self._usage: Usage | None = None
        self._pieces = 0

    @property
    def is_due(self) -> bool:
        passed = self._clock() - self._counted_at
        return passed >= TALLY_SECONDS and passed >= self._meter.call.services.streams.pace_seconds

    async def look(self, sent: Burst) -> None:
        """`sent` is all that was."""
        new, self._pieces, self._counted_at = sent[self._pieces :], len(sent), self._clock()
        if self._usage is None:
            self._usage = await count_sent(self._request, new)
        else:
            tokens_more = await tokens.count_text(_said(new))
            self._usage = replace(self._usage, completion_tokens=self._usage.completion_tokens + tokens_more)
        self._meter.note(self._attempt, self._usage)


async def admit(ask: AnyAsk, attempt: Attempt, call: Call) -> Meter:
    """Raises `RateLimited`, `PaymentRequired`, or `Invalid` for a prompt that the model, or a limit, cannot hold."""
    estimate = _estimate_prompt(ask)
    context = attempt.model.context_tokens
    if context and estimate > context and await count_prompts(ask) > context:
        message = f"the prompt does not fit into the {context} tokens of {attempt.model.id}"
        raise Invalid(message, code="context_length_exceeded", param="messages")
    answer = (ask.max_tokens or estimate // ask.size + ANSWER_TOKENS) * ask.size
    return await admit_tokens(attempt, estimate + answer * ask.choices, call, price_tier(ask))


async def admit_tokens(attempt: Served, estimate: int, call: Call, tier: str = "standard") -> Meter:
    """`estimate` is of prompt and answer. What a key of the caller's own answers costs nothing here. Raises as
    `admit`."""
    if attempt.own is not None and attempt.own.credential is not None:
        await call.services.credentials.note_use(attempt.own.credential)
    admission = await call.services.quota.admit(call.caller, estimate, free=attempt.own is not None)
    return Meter(call, admission, tier)


async def keep_affordable(attempts: list[Place], call: Call) -> list[Place]:
    """Without money to spend, only those that cost nothing here, if there are any."""
    free = [attempt for attempt in attempts if attempt.own is not None]
    if not free or len(free) == len(attempts) or await call.services.quota.is_solvent(call.caller):
        return attempts
    return free


def price_tier(ask: AnyAsk) -> str:
    """What it is charged by. A client may ask for a tier of the vendor's; that work is a batch is only ours to say."""
    tier = ask.options.get("service_tier")
    if ask.steering.batch:
        return "batch"
    return tier if tier in ("priority", "flex") else "standard"


async def admit_hit(attempt: Served, call: Call) -> Meter:
    """For an answer that takes no vendor: it counts as one request of no tokens. The meter is settled."""
    admission = await call.services.quota.admit(call.caller, 0, free=attempt.own is not None)
    meter = Meter(call, admission, "standard")
    await meter.settle()
    return meter


async def keep_budget(attempts: Sequence[Attempt], spent_micros: int = 0) -> list[Attempt]:
    """Those that keep to what is left of `max_cost_usd` at their own prices, each held to it: an answer without a limit
    gets the one that the money is good for. What a key of the caller's own answers costs nothing here.

    Raises `Invalid` (`max_cost_exceeded`) when there is none.
    """
    if attempts[0].ask.max_cost_usd is None:
        return list(attempts)
    prompts: dict[int, int] = {}  # most attempts share what is asked
    kept = []
    for attempt in attempts:
        ask: AnyAsk | None = attempt.ask
        if attempt.own is None:
            if id(attempt.ask) not in prompts:
                prompts[id(attempt.ask)] = await count_prompts(attempt.ask)
            ask = _within_budget(attempt, prompts[id(attempt.ask)], spent_micros)
        if ask is not None:
            kept.append(replace(attempt, ask=ask))
    if not kept:
        raise Invalid("the request may cost more than max_cost_usd", code="max_cost_exceeded", param="max_cost_usd")
    return kept


def _within_budget(attempt: Attempt, prompt_tokens: int, spent_micros: int) -> AnyAsk | None:
    """None when the prompt, or the limit that was asked for, costs more than is left."""
    ask = attempt.ask
    price = pick_price(attempt.model, attempt.deployment.vendor, prompt_tokens, price_tier(ask))
    if ask.max_cost_usd is None or price is None:
        return ask
    left = ask.max_cost_usd * 1_000_000 - spent_micros - prompt_tokens * dearest_input_usd(price)
    rate = dearest_output_usd(price) * ask.choices * ask.size
    if left < (ask.max_tokens or 1) * rate:
        return None
    if ask.max_tokens is not None or not rate:
        return ask
    affordable = int(left / rate)
    if affordable >= (attempt.model.max_output_tokens or MOST_TOKENS):
        return ask  # no answer costs as much, and vendors refuse a limit beyond what their model writes
    return replace(ask, options={**ask.options, "max_completion_tokens": affordable})


async def count_prompts(ask: AnyAsk) -> int:
    if isinstance(ask, ChatAsk):
        return await tokens.count_chat(ask.messages, ask.options.get("tools"))
    return sum([await tokens.count_text(prompt) for prompt in ask.prompts])


async def count_whole(request: Request, body: Mapping[str, Any]) -> Usage:
    """Our own count, for a vendor that sends none."""
    return await _count(request, "".join(_texts([body], "message")))


async def count_sent(request: Request, sent: Burst) -> Usage:
    """What a stream has used up to here."""
    return await _count(request, _said(sent))


async def _count(request: Request, said: str) -> Usage:
    if isinstance(request, ChatRequest):
        prompt_tokens = await tokens.count_chat(request.messages, request.options.get("tools"))
    else:
        prompt_tokens = await tokens.count_text(request.prompt)
    return Usage(prompt_tokens, await tokens.count_text(said), counted_by="concordat")


def _said(sent: Burst) -> str:
    return "".join(_texts([piece.whole.body for piece in sent], "delta"))


def _texts(bodies: Sequence[Mapping[str, Any]], key: str) -> Iterable[str]:
    for body in bodies:
        for choice in body.get("choices") or []:
            message = choice.get(key) or choice
            for name in ("text", "reasoning_content", "content"):
                if isinstance(message.get(name), str):
                    yield message[name]
            for tool_call in message.get("tool_calls") or []:
                function = tool_call.get("function") or {}
                yield (function.get("name") or "") + (function.get("arguments") or "")


def sum_usage(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
        other.counted_by,
    )


def _estimate_prompt(ask: AnyAsk) -> int:
    """Cheap, and rather too high than too low for most texts; pictures and files weigh nothing."""
    if not isinstance(ask, ChatAsk):
        return sum(len(prompt.encode()) for prompt in ask.prompts) // BYTES_PER_TOKEN
    size = len(orjson.dumps(ask.options["tools"])) if ask.options.get("tools") else 0
    for message in ask.messages:
        content = message.get("content")
        if isinstance(content, str):
            size += len(content.encode())
        elif isinstance(content, list):
            size += sum(len(part["text"].encode()) for part in content if isinstance(part.get("text"), str))
    return size // BYTES_PER_TOKEN + MESSAGE_TOKENS * len(ask.messages)

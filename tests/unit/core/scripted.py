"""A model that is a function of what it is asked, and runs that it answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder
from handlers.core.rlm import Bounds, RlmAsk
from providers.inference.interface import ChatRequest, Completion, Usage
from storage.ledger_record import Record
from tests.unit.core.vendors import Vendor, spoken
from tests.unit.handlers.bench import FULL, PLAIN, make_call, make_services
from tests.unit.handlers.doubles import Pile

LARGE = replace(FULL, context_tokens=100_000, max_output_tokens=16_000)
USAGE = Usage(100, 10)
COST = 100 * 5 + 10 * 30
"""In micro-dollars, of one call."""

Says = Callable[[ChatRequest], Any]


@dataclass
class Script(Vendor):
    """`says` answers a text, a message or an error to be raised, or awaits one of them."""

    usage: Usage | None = USAGE
    says: Says = field(default=lambda request: "")

    async def chat(self, request: ChatRequest) -> Completion:
        assert isinstance(request, ChatRequest)
        self.asked.append(request)
        said = self.says(request)
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, Exception):
            raise said
        body = spoken(said if isinstance(said, str) else "")
        if isinstance(said, dict):
            body["choices"][0]["message"] = said
        return Completion(body, self.usage)

    @property
    def prompts(self) -> list[str]:
        """The last message of each request."""
        return [request.messages[-1]["content"] for request in self.asked if isinstance(request, ChatRequest)]


def in_turn(*answers: Any) -> Says:
    """One answer after the other, to whatever is asked."""
    left = list(answers)
    return lambda request: left.pop(0)


def is_root(request: ChatRequest) -> bool:
    """Whether it is asked for a step, and not by one."""
    return "`context`" in str(request.messages[0]["content"])


def root_and_leaves(leaf: Says, *steps: Any) -> Says:
    """`steps` in turn for what works in a session, `leaf` for what is asked from there."""
    left = list(steps)
    return lambda request: left.pop(0) if is_root(request) else leaf(request)


def block(code: str) -> str:
    return f"Let me see.\n\n```repl\n{code}\n```\n"


def call_of(script: Script, **changes: Any) -> Call:
    services = make_services(script, catalog=CatalogHolder(Catalog([LARGE, PLAIN])), **changes)
    return make_call("maniac", services)


def records_of(call: Call) -> list[Record]:
    pile = call.services.ledger
    assert isinstance(pile, Pile)
    return pile.records


def ask_for(text: Any, **changes: Any) -> RlmAsk:
    return RlmAsk(**({"model": "openai/gpt-5.5", "input": text, "keep": False} | changes))


def bounds(**changes: Any) -> Bounds:
    return Bounds(**changes)

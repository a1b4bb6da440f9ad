"""What a response's job is given, what it tells, and how that is made into items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from handlers.core import file_search
from handlers.core.asks import ChatAsk, KeyWish, Steering, Wishes
from handlers.core.call import Call, Caller
from handlers.core.file_search import FileSearch
from handlers.core.jobs import JobEvent
from handlers.core.record_json import pack_record
from handlers.core.regions import RegionWish
from handlers.core.responses.output import Assembler, Step
from handlers.core.responses.response import ResponseAsk
from handlers.core.responses.retelling import Delta

KIND = "response"
BEGUN, SAID, AGAIN = "begun", "said", "again"
"""The kinds of its events: a model is asked; a delta of its answer; what was said is cut, and another answer begins."""


def pack(ask: ResponseAsk, chat_ask: ChatAsk, call: Call) -> dict[str, Any]:
    """The input of the response's job. There is no key in it."""
    caller = call.caller
    return {
        "chat": {"model": ask.model, "messages": list(chat_ask.messages), "options": dict(ask.options)},
        "wishes": _pack_wishes(ask.wishes),
        "file_search": file_search.pack(ask.file_search),
        "stream": ask.stream,
        "show_reasoning": ask.show_reasoning,
        "caller": asdict(caller) | {name: _listed(getattr(caller, name)) for name in ("models", "apis")},
        "record": pack_record(call.record),
    }


def _listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _pack_wishes(wishes: Wishes) -> dict[str, Any]:
    return {
        "max_cost_usd": None if wishes.max_cost_usd is None else str(wishes.max_cost_usd),
        "policy": wishes.keys.policy,
        "steering": asdict(wishes.steering),
        "region": asdict(wishes.region),
    }


def unpack_chat(input: Mapping[str, Any]) -> ChatAsk:
    wishes, asked = input["wishes"], input["chat"]
    budget = wishes["max_cost_usd"]
    return ChatAsk(
        models=(asked["model"],),
        messages=asked["messages"],
        options=asked["options"],
        max_cost_usd=None if budget is None else Decimal(budget),
        keys=KeyWish(wishes["policy"]),
        steering=Steering(**wishes["steering"]),
        region=RegionWish(**wishes["region"]),
    )


def unpack_search(input: Mapping[str, Any]) -> FileSearch | None:
    return file_search.unpack(input.get("file_search"))


def unpack_caller(input: Mapping[str, Any]) -> Caller:
    given = input["caller"]
    scopes = {name: None if given[name] is None else frozenset(given[name]) for name in ("models", "apis")}
    return Caller(**(given | scopes))


def assembler_of(response_id: str) -> Assembler:
    """Makes what is told into items, whose ids come out the same in every process."""
    return Assembler(_numbered(response_id), show_reasoning=True)


def play(event: JobEvent, assembler: Assembler) -> Iterator[Step]:
    if event.kind == SAID:
        yield from assembler.feed(event.data)
    elif event.kind == AGAIN:
        yield from assembler.finish(cut=True)


def said_last(told: Sequence[JobEvent]) -> list[Delta]:
    """The deltas of the last answer among those that were told."""
    deltas: list[Delta] = []
    for event in told:
        if event.kind == AGAIN:
            deltas.clear()
        elif event.kind == SAID:
            deltas.append(event.data)
    return deltas


def _numbered(response_id: str) -> Callable[[str], str]:
    stem, count = response_id.removeprefix("resp_"), 0

    def new_id(noun: str) -> str:
        nonlocal count
        count += 1
        return f"{noun}_{stem}{count:04}"

    return new_id

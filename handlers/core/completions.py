"""Stored chats: those that models answered here, and those that a project brings from elsewhere.

A chat is put into its request's record and written in the same commit, which an answer waits for anyhow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import orjson

from handlers.core.asks import AnyAsk, ChatAsk
from handlers.core.call import Call
from handlers.core.containers import find_container
from handlers.core.errors import Invalid, NotFound
from handlers.core.messages import check_messages
from handlers.core.models import find_model
from handlers.core.transcript import usage_body
from storage.chat_record import StoredChat
from storage.repositories.completions import ChatFilter, Page
from storage.repositories.containers import Container
from storage.tables.types import instant

if TYPE_CHECKING:
    from handlers.core.chat import Answer

__all__ = ["Example", "Registered", "StoredChat", "Wanted"]

MOST_ERRORS = 200
LONGEST_ID = 256


def enter(ask: AnyAsk, answer: Answer, call: Call) -> None:
    """Has an answered chat stored with its record, if `ask` wants that. `ask` is what the client sent, without what a
    container adds."""
    if not isinstance(ask, ChatAsk) or not ask.store or call.who is None:
        return
    told = call.record.metadata or {}
    container = answer.attempt.route.container if answer.attempt.route else None
    body = {**answer.body, "usage": usage_body(answer.usage)}
    call.record.chat = StoredChat(
        key=call.request_id,
        project_id=call.who.project_id,
        id=answer.body.get("id") or call.services.new_id("chatcmpl"),
        created_at=instant(call.record.started_at),
        model=answer.attempt.model.id,
        provider=answer.attempt.deployment.vendor,
        container_id=container.id if container else None,
        container=container.label if container else None,
        cost_micros=answer.cost_micros,
        metadata=told.get("metadata"),
        tags=told.get("tags"),
        trace=told.get("trace"),
        request=orjson.dumps({"messages": ask.messages, "models": ask.models, **ask.options}),
        answer=orjson.dumps({name: body.get(name) for name in ("created", "choices", "usage")}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which stored chats a client asks for. `after` is the id of the one before the first, `limit` None is all."""

    model: str | None = None
    container: str | None = None
    metadata: dict[str, Any] | None = None
    order: Literal["asc", "desc"] = "desc"
    limit: int | None = None
    offset: int = 0
    after: str | None = None


async def list_chats(wanted: Wanted, call: Call) -> list[StoredChat]:
    """Newest first, or oldest. Raises `NotFound` for a container or an `after` that the project does not have."""
    page = Page(order=wanted.order, limit=wanted.limit, offset=wanted.offset, after=await _key(wanted.after, call))
    return await call.services.completions.list(call.caller.project_id, await _filter(wanted, call), page)


async def count_chats(wanted: Wanted, call: Call) -> int:
    return await call.services.completions.count(call.caller.project_id, await _filter(wanted, call))


async def get_chat(completion_id: str, call: Call) -> StoredChat:
    """Raises `NotFound`."""
    found = None
    if "\0" not in completion_id:
        found = await call.services.completions.get(call.caller.project_id, completion_id)
    if found is None:
        raise NotFound(f"there is no chat completion {completion_id}", code="completion_not_found")
    return found


async def _key(completion_id: str | None, call: Call) -> str | None:
    return None if completion_id is None else (await get_chat(completion_id, call)).key


async def _filter(wanted: Wanted, call: Call) -> ChatFilter:
    """A model is found under all its spellings; one that names a container filters on that."""
    container = await find_container(wanted.container, call) if wanted.container is not None else None
    models = None
    if wanted.model is not None:
        offer = await find_model(wanted.model, call)
        models = {wanted.model, offer.served.id if offer else wanted.model}
        if offer and offer.route and container is None:
            container, models = offer.route.container, None
    return ChatFilter(models=models, container_id=container.id if container else None, metadata=wanted.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A chat from elsewhere. `request` is OpenAI's request, `answer` its answer, None for a question alone."""

    request: dict[str, Any]
    answer: dict[str, Any] | None
    metadata: dict[str, Any] | None
    tags: list[str] | None
    trace: dict[str, Any] | None


@dataclass(slots=True)
class Registered:
    """`skipped` were there already. `errors` are at most `MOST_ERRORS`: `index` into the examples, and `message`."""

    container: Container
    inserted: int = 0
    skipped: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)


async def register_chats(examples: Sequence[Example], container: str, call: Call) -> Registered:
    """One that cannot be kept does not keep the others away. Raises `NotFound` for the container."""
    done = Registered(await find_container(container, call))
    chats = await asyncio.to_thread(_read, examples, done, call)  # there may be very many
    done.inserted = len(await call.services.completions.register(chats))
    done.skipped += len(chats) - done.inserted
    return done


def _read(examples: Sequence[Example], done: Registered, call: Call) -> list[StoredChat]:
    chats: dict[str, StoredChat] = {}
    for index, example in enumerate(examples):
        try:
            chat = _registered(example, index, done.container, call)
        except Invalid as error:
            done.failed += 1
            if len(done.errors) < MOST_ERRORS:
                done.errors.append({"index": index, "message": error.message})
            continue
        done.skipped += chat.id in chats
        chats.setdefault(chat.id, chat)
    return list(chats.values())


def _registered(example: Example, index: int, container: Container, call: Call) -> StoredChat:
    check_messages(example.request["messages"])
    answer = example.answer or {}
    completion_id = answer.get("id") or call.services.new_id("chatcmpl")
    for choice in answer.get("choices") or []:
        _check_choice(choice)
    if len(completion_id) > LONGEST_ID:
        raise Invalid(f"output.id must be at most {LONGEST_ID} characters long")
    model, provider = answer.get("model") or example.request.get("model"), answer.get("provider")
    told = [completion_id, model, provider, example.metadata, example.tags, example.trace]
    if b"\\u0000" in orjson.dumps(told):
        raise Invalid("NUL is not allowed")
    # a microsecond each, so that they keep the order in which they came
    at = instant(call.services.clock()) + timedelta(microseconds=index)
    choices = [_numbered(choice, number) for number, choice in enumerate(answer.get("choices") or [])]
    kept = {"created": answer.get("created"), "choices": choices, "usage": answer.get("usage")}
    return StoredChat(
        key=f"{container.project_id}/{completion_id}",
        project_id=container.project_id,
        id=completion_id,
        created_at=at,
        model=model,
        provider=provider,
        container_id=container.id,
        container=container.label,
        cost_micros=_micros(answer.get("spend")),
        metadata=example.metadata,
        tags=example.tags,
        trace=example.trace,
        request=orjson.dumps(example.request),
        answer=orjson.dumps(kept),
    )


def _numbered(choice: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {**choice, "index": number if choice.get("index") is None else choice["index"]}


def _check_choice(choice: Mapping[str, Any]) -> None:
    """What a choice from elsewhere must hold to, so that every API can show it. Raises `Invalid`."""
    check_messages([choice["message"]])
    if not isinstance(choice["message"].get("name", ""), str):
        raise Invalid("output: a message's name must be a text")
    for call in choice["message"].get("tool_calls") or []:
        if not isinstance(call["function"].get("arguments", ""), str) or not isinstance(call.get("id", ""), str):
            raise Invalid("output: a tool call's id and arguments must be texts")
    logprobs = choice.get("logprobs") or {}
    lists = [tokens or [] for tokens in logprobs.values()] if isinstance(logprobs, dict) else [None]
    if not all(isinstance(tokens, list) and all(map(_is_token, tokens)) for tokens in lists):
        raise Invalid("output: logprobs must be lists of tokens")


def _is_token(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return False
    top, parts = entry.get("top_logprobs") or [], entry.get("bytes") or []
    is_whole = isinstance(parts, list) and all(isinstance(part, int) for part in parts)
    is_number = isinstance(entry.get("logprob"), int | float)
    return is_whole and is_number and isinstance(top, list) and all(map(_is_token, top))


def _micros(spend: float | None) -> int:
    """By the digits that the client wrote: a float of them times a million is now and then one too few."""
    micros = Decimal(str(spend or 0)) * 1_000_000
    if not 0 <= micros < 2**63:
        raise Invalid("output.spend must be an amount in USD")
    return round(micros)


def request_of(chat: StoredChat) -> Mapping[str, Any]:
    request: dict[str, Any] = orjson.loads(chat.request)
    return request


def answer_of(chat: StoredChat) -> Mapping[str, Any]:
    answer: dict[str, Any] = orjson.loads(chat.answer)
    return answer

"""A workbench for handlers: services made by hand, and answers held against the documents."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import orjson

import codegen.generated
from codegen.operation import Body
from handlers.core.answer_cache import AnswerCache, AnswersInMemory
from handlers.core.breakers import Breakers
from handlers.core.call import Call, Caller
from handlers.core.catalog import Catalog, CatalogHolder, Deployment, Model, Price
from handlers.core.credentials import Book
from handlers.core.latencies import Latencies
from handlers.core.open_streams import Streams
from handlers.core.patience import Patience
from handlers.core.regions import Regions, Signer
from handlers.core.sealing import Seal
from handlers.core.services import Route, Services, Traits
from handlers.wire.reply import EventStream, Last, Reply
from providers.embeddings.local import Local
from providers.inference.interface import Inference
from providers.inference.simulator import Simulator
from providers.outbound import Outbound
from providers.sandbox.monty import Limits, Monty
from providers.tools.interface import Tools
from storage.ledger_record import Record
from tests.unit.handlers.doubles import (
    Addressed,
    Drawer,
    KeyedBy,
    KeyRack,
    NoCapture,
    NoContainers,
    Pages,
    Pile,
    Purse,
    Registry,
    Shelf,
)

NOW = 1_790_000_000.0

FULL = Model(
    id="openai/gpt-5.5",
    display_name="GPT-5.5",
    owned_by="openai",
    kind="chat",
    capabilities=frozenset(
        {"chat", "completion", "tools", "parallel_tools", "json_schema", "vision", "reasoning", "streaming", "code"}
    ),
    context_tokens=1000,
    max_output_tokens=500,
    created=1_780_000_000,
    prices=(
        Price("openai", Decimal(5), Decimal(30), Decimal("0.5")),
        Price("openai", Decimal(10), Decimal(60), service_tier="priority"),
    ),
    deployments=(Deployment("openai", "gpt-5.5"), Deployment("openrouter", "openai/gpt-5.5")),
    tier="recommended",
    recommended_for=("coding",),
)
PLAIN = Model(
    id="plain-1",
    display_name="Plain",
    owned_by="plainco",
    kind="chat",
    capabilities=frozenset({"chat", "streaming"}),
    context_tokens=1000,
    max_output_tokens=500,
    created=1_770_000_000,
    deployments=(Deployment("plainco", "plain-one"),),
    tier="tier_1",
)
SIMULATED = replace(
    FULL,
    id="simulator/chat",
    display_name="Simulator",
    owned_by="concordat",
    created=1_760_000_000,
    capabilities=FULL.capabilities | {"grammar"},
    prices=(),
    deployments=(Deployment("simulator", "chat"),),
    tier="catalog",
)
EMBEDDER = Model(
    id="local/all-minilm-l6-v2",
    display_name="MiniLM",
    owned_by="sentence-transformers",
    kind="embedding",
    capabilities=frozenset({"embeddings"}),
    context_tokens=512,
    max_output_tokens=0,
    created=1_630_000_000,
    deployments=(Deployment("local", "all-minilm-l6-v2"),),
    embedding_dimensions=384,
)


class _Traits(dict[str, Traits]):
    """Of vendors that nobody knows there is nothing to say."""

    def __missing__(self, vendor: str) -> Traits:
        return Traits()


TRAITS = _Traits(simulator=Traits(True, True), local=Traits(True, True))
REGIONS = {"simulator": "here", "local": "here", "plainco": "there"}


def signer(clock: Callable[[], float] = lambda: NOW) -> Signer:
    """Signs, but has no key yet."""
    return Signer(KeyRack(), Seal(lambda: "s" * 32), clock)


STORES = (
    "completions",
    "traces",
    "responses",
    "files",
    "retrieval",
    "kv",
    "objects",
    "access_keys",
    "history",
    "feedback",
    "jobs",
    "parquet",
    "telemetry",
    "app_telemetry",
)
"""What needs a database: a test hands it in."""


def make_services(*vendors: Inference, **changes: Any) -> Services:
    """The `local` profile with the simulator, plus the vendors given."""
    counter = itertools.count()
    simulator = Simulator(clock=lambda: NOW, new_id=lambda: f"{next(counter):08}")
    values: dict[str, Any] = {
        **dict.fromkeys(STORES),
        "profile": "local",
        "version": "0.1.0",
        "catalog": CatalogHolder(Catalog([FULL, PLAIN, SIMULATED, EMBEDDER])),
        "inference": {vendor.name: vendor for vendor in (simulator, *vendors)},
        "embeddings": {"local": Local()},
        "embedded": frozenset({"local"}),
        "patience": Patience(sleep=at_once),
        "breakers": Breakers(),
        "latencies": Latencies(lambda: NOW),
        "answer_cache": AnswerCache(AnswersInMemory(2**20, 60, lambda: NOW)),
        "registered_models": Registry(),
        "containers": NoContainers(),
        "quota": Purse(),
        "clock": lambda: NOW,
        "random": lambda: 0.5,
        "new_id": lambda prefix: f"{prefix}-{next(counter):08}",
        "ready": always(True),
        "documents": {"ipop": b'{"openapi": "3.1.0"}'},
        "routes": {
            "llama_stack": [Route("GET", "/v1/health", "health_get", True), Route("GET", "/v1/tools", "t", False)]
        },
        "base_paths": {"ipop": "/ipop/v1"},
        "addresses": Outbound(resolve=resolves_to("8.8.8.8")),
        "fetcher": Addressed(),
        "traits": TRAITS.__getitem__,
        "capture": NoCapture(),
        "streams": Streams(None, "process", 10, lambda: NOW),  # type: ignore[arg-type]
        "regions": Regions("here", REGIONS.get, signer(), Shelf()),
        "credentials": Book(Drawer(), Seal(lambda: "s" * 32), KeyedBy(), lambda: NOW),
        "ledger": Pile(),
        "sandbox": Monty(Limits(seconds=1)),
        "tools": Tools(Pages()),
    }
    return Services(**(values | changes))


def resolves_to(*addresses: str) -> Any:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def at_once(seconds: float) -> None:
    """A sleep that is over before it begins."""


def always(answer: bool) -> Any:
    async def ready() -> bool:
        return answer

    return ready


def make_call(api: str, services: Services | None = None, **caller: Any) -> Call:
    who = Caller("project-1", "default", "key-1", **caller)
    record = Record("req-1", api, "an_operation", NOW - 0.25)
    return Call(services or make_services(), api, "an_operation", "req-1", {"host": "here:8321"}, record, who)


def body_of(data: Any) -> Body[Any]:
    return Body(data)


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def frames_of(answer: Any) -> list[bytes]:
    """The frames of a stream, of which the last and only the last is a `Last`."""
    assert isinstance(answer, EventStream)
    frames = [frames async for frames in answer.events]
    assert [isinstance(frame, Last) for frame in frames] == [False] * (len(frames) - 1) + [True]
    return [frame + b"\n\n" for frame in b"".join(frames).removesuffix(b"\n\n").split(b"\n\n")]


def events_of(frames: list[bytes]) -> list[Any]:
    """The JSON of every `data:` line; `[DONE]` is left as text."""
    texts = [frame.decode().removeprefix("data: ").removesuffix("\n\n") for frame in frames]
    assert not any("\n" in text for text in texts)
    return [text if text == "[DONE]" else orjson.loads(text) for text in texts]


def streamed_message(events: list[Any]) -> dict[str, Any]:
    """What OpenAI's chunks add up to, choice 0: content, reasoning, tool calls, finish reason."""
    message: dict[str, Any] = {"content": "", "reasoning": "", "calls": {}, "finish_reason": None}
    for choice in _choices(events):
        delta = choice["delta"]
        message["content"] += delta.get("content") or ""
        message["reasoning"] += delta.get("reasoning_content") or ""
        for piece in delta.get("tool_calls") or []:
            call = message["calls"].setdefault(piece["index"], {"name": "", "arguments": ""})
            call["name"] += piece["function"].get("name") or ""
            call["arguments"] += piece["function"].get("arguments") or ""
        message["finish_reason"] = choice["finish_reason"] or message["finish_reason"]
    return message


def _choices(events: list[Any]) -> Iterator[Any]:
    for event in events:
        if event != "[DONE]":
            yield from (choice for choice in event["choices"] if choice["index"] == 0)


def content_of(answer: Any) -> Any:
    content = answer.content if isinstance(answer, Reply) else answer
    return orjson.loads(content) if isinstance(content, bytes) else content


def check_answer(api: str, operation: str, answer: Any, media_type: str = "application/json") -> Any:
    """Holds an answer against the 200 schema of `GET /path`; gives its content."""
    method, path = operation.lower().split(" ")
    schema = f"#/paths/{_escape(path)}/{method}/responses/200/content/{_escape(media_type)}/schema"
    return check(api, schema, content_of(answer))


def check(api: str, pointer: str, value: Any) -> Any:
    value = orjson.loads(orjson.dumps(value))
    _validator(api, pointer).validate(value)
    return value


def _escape(part: str) -> str:
    return quote(part.replace("~", "~0").replace("/", "~1"), safe="~")


@cache
def _validator(api: str, pointer: str) -> Any:
    return jsonschema_rs.Draft202012Validator({**_document(api), "$ref": pointer})


@cache
def _document(api: str) -> Mapping[str, Any]:
    path = Path(codegen.generated.__path__[0], api, "openapi.json")
    document: Mapping[str, Any] = orjson.loads(path.read_bytes())
    return document

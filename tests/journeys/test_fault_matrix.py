"""Whatever a vendor does wrong: the error in each API's own words, the record, and nothing left behind.

Every operation that calls a vendor meets every fault, whole and streamed; all of them meet it at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from server.config import load
from server.wiring import build
from storage.ledger_record import Record
from tests.contract.providers import wires
from tests.contract.providers.fake_vendor import FakeVendor, Reply, Seen, json_reply, sse_reply
from tests.contract.providers.test_answer_shapes import BROKEN, MENDED, shaped
from tests.journeys.dialects import DEPRECATED, DIALECTS, IPOP, LLAMA, Dialect, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import CANDID, HASTY, KEYS, LoopbackVendor, vendors
from tests.journeys.test_errors import check
from tests.journeys.waiting import PATIENCE_SECONDS, eventually
from tests.live import KEY, LiveServer, running

MODEL, EMBEDDER = "house/speaker", "house/embedder"
CATALOG = """
models:
  - id: house/speaker
    capabilities: [chat, completion, streaming]
    context_tokens: 100000
    max_output_tokens: 1000
    prices: [{input_usd: 5, output_usd: 30}]
    deployments: [{vendor: openai, model: speaker}]
  - id: house/embedder
    kind: embedding
    capabilities: [embeddings]
    context_tokens: 8000
    max_output_tokens: 0
    embedding_dimensions: 2
    prices: [{input_usd: 1, output_usd: 0}]
    deployments: [{vendor: openai, model: embedder}]
"""


@dataclass(frozen=True)
class Target:
    """An operation that calls a vendor. `streams` says whether it can."""

    dialect: Dialect
    operation_id: str
    path: str
    body: Mapping[str, Any]
    streams: bool = True

    @property
    def name(self) -> str:
        return f"{self.dialect.api}-{self.operation_id}"

    @property
    def url(self) -> str:
        return self.dialect.prefix + self.path

    def asked(self, stream: bool) -> dict[str, Any]:
        return {**self.body, "stream": True} if stream else dict(self.body)

    @property
    def upstream_model(self) -> str:
        return "embedder" if self.operation_id == "embeddings_create" else "speaker"


def chatting(dialect: Dialect) -> Target:
    return Target(dialect, "chat_completions_create", dialect.chat_path, dialect.chat(MODEL))


INFERENCE, BATCH, OPENAI = "/v1/inference", "/v1/batch-inference", "/v1/openai/v1"
SAID = [{"role": "user", "content": "Hello"}]
TARGETS = [
    *map(chatting, DIALECTS),
    Target(IPOP, "responses_create", "/responses", {"model": MODEL, "input": "Hello"}),
    Target(DEPRECATED, "responses_create", f"{OPENAI}/responses", {"model": MODEL, "input": "Hello"}),
    Target(LLAMA, "completions_create", f"{INFERENCE}/completion", {"model_id": MODEL, "content": "Hello"}),
    Target(DEPRECATED, "completions_create", f"{OPENAI}/completions", {"model": MODEL, "prompt": "Hello"}),
    Target(
        LLAMA, "batch_chat_completions_create", f"{BATCH}/chat-completion",
        {"model": MODEL, "messages_batch": [SAID, SAID]}, streams=False,
    ),
    Target(
        LLAMA, "batch_completions_create", f"{BATCH}/completion",
        {"model": MODEL, "content_batch": ["Hello", "Hello"]}, streams=False,
    ),
    Target(IPOP, "embeddings_create", "/embeddings", {"model": EMBEDDER, "input": "Hello"}, streams=False),
    Target(
        LLAMA, "embeddings_create", f"{INFERENCE}/embeddings", {"model_id": EMBEDDER, "contents": ["Hello"]},
        streams=False,
    ),
    Target(
        DEPRECATED, "embeddings_create", f"{OPENAI}/embeddings", {"model": EMBEDDER, "input": "Hello"}, streams=False,
    ),
]  # fmt: skip


def text_chunk(text: str) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": None}
    return b"data: " + orjson.dumps({**wires.OPENAI_HEAD, "object": "text_completion", "choices": [choice]}) + b"\n\n"


BEGUN = {
    "/v1/chat/completions": wires.OPENAI["text"][1][:3],
    "/v1/completions": [text_chunk("Hello "), text_chunk("wörld")],
}
"""How a stream begins, by the vendor's path."""
BEGINNING = wires.OPENAI["text"][0][:40]


@dataclass(frozen=True)
class Fault:
    """`status` and `code` are what the client and the record are told when nothing was sent yet. `late` is a stream
    that has begun when it happens."""

    name: str
    whole: Reply
    streamed: Reply
    status: int
    code: str
    late: bool = False

    @property
    def is_silence(self) -> bool:
        return "stall" in (self.whole.before, self.whole.after)

    def reply(self, seen: Seen) -> Reply:
        if not seen.streamed:
            return self.whole
        begun = BEGUN[seen.path] if self.late else []
        return replace(self.streamed, portions=[*begun, *self.streamed.portions])


def refusal(status: int, **headers: str) -> Reply:
    return Reply([wires.openai_error("what the vendor says")], status=status, headers=headers)


def same(name: str, reply: Reply, status: int, code: str) -> Fault:
    return Fault(name, reply, reply, status, code)


NONSENSE = b"data: {'choices':\n\n"
FAULTS = [
    same("400", refusal(400), 400, "some_code"),
    same("401", refusal(401), 502, "upstream_failed"),
    same("404", refusal(404), 404, "model_not_found"),
    same("429", refusal(429, **{"retry-after": "7"}), 429, "rate_limit_exceeded"),
    same("500", refusal(500), 503, "upstream_unavailable"),
    same("silence", Reply(before="stall"), 503, "upstream_timeout"),
    Fault("stall", Reply([BEGINNING], after="stall"), sse_reply([], "stall"), 503, "upstream_timeout", late=True),
    Fault("cut", Reply([BEGINNING], after="cut"), sse_reply([], "cut"), 503, "upstream_unavailable", late=True),
    Fault("ended too early", Reply([BEGINNING]), sse_reply([NONSENSE]), 502, "upstream_failed", late=True),
    Fault("not JSON", Reply([b"{'choices':"]), sse_reply([NONSENSE]), 502, "upstream_failed"),
    Fault("not an object", Reply([b"[]"]), sse_reply([b"data: []\n\n"]), 502, "upstream_failed"),
    Fault("not an answer", Reply([b"{}"]), sse_reply([b'data: {"choices": {}}\n\n']), 502, "upstream_failed"),
    same("empty", Reply([]), 502, "upstream_failed"),
    Fault("ended before it began", Reply([], after="cut"), sse_reply([]), 503, "upstream_unavailable"),
]


@pytest.fixture(scope="module")
def vendor() -> Iterator[LoopbackVendor]:
    with vendors() as served:
        yield served["openai"]


@contextmanager
def server_of(vendor: LoopbackVendor, folder: Path, patience: Mapping[str, str]) -> Iterator[LiveServer]:
    """When all is done there is no error in its log, where tasks that nobody awaited show."""
    (folder / "catalog.yaml").write_text(CATALOG)
    settings = {"OPENAI_API_KEY": vendor.key, "OPENAI_BASE_URL": vendor.fake.url + "/v1", **patience}
    with running(folder, **settings) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture(scope="module")
def candid(vendor: LoopbackVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with server_of(vendor, tmp_path_factory.mktemp("candid"), CANDID) as live:
        yield live


@pytest.fixture(scope="module")
def hasty(vendor: LoopbackVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with server_of(vendor, tmp_path_factory.mktemp("hasty"), HASTY) as live:
        yield live


@dataclass(frozen=True)
class Told:
    """What every operation answered to one fault, and their records by the requests' ids."""

    server: LiveServer
    fault: Fault
    stream: bool
    answers: Mapping[str, httpx.Response]
    records: Mapping[str, Record]

    def of(self, target: Target) -> tuple[httpx.Response, Record]:
        answer = self.answers[target.name]
        return answer, self.records[answer.headers["x-request-id"]]


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, candid: LiveServer, hasty: LiveServer, vendor: LoopbackVendor
) -> Iterator[Told]:
    fault, stream = request.param
    server = hasty if fault.is_silence else candid
    vendor.fake.choose = fault.reply
    targets = [target for target in TARGETS if target.streams or not stream]
    headers = {"Authorization": f"Bearer {server.key}"}
    with (
        httpx.Client(base_url=server.url, headers=headers, timeout=60) as client,
        ThreadPoolExecutor(len(targets)) as pool,
    ):
        posted = pool.map(lambda target: client.post(target.url, json=target.asked(stream)), targets)
        answers = dict(zip([target.name for target in targets], posted, strict=True))
    ids = {answer.headers["x-request-id"] for answer in answers.values()}
    yield Told(server, fault, stream, answers, settled(server, ids))
    assert eventually(lambda: vendor.fake.busy, lambda busy: not busy) == 0, "a vendor that hangs is hung up on"


def settled(server: LiveServer, ids: set[str]) -> dict[str, Record]:
    ledger = LedgerReader.of(server)

    def look() -> dict[str, Record]:
        return {r.request_id: r for r in ledger.all("default") if r.request_id in ids and r.state != "started"}

    return eventually(look, lambda found: found.keys() == ids)


def every_fault(*, stream: bool) -> pytest.MarkDecorator:
    faults = [pytest.param((fault, stream), id=fault.name) for fault in FAULTS]
    return pytest.mark.parametrize("told", faults, indirect=True, scope="module")


def every(targets: list[Target]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("target", targets, ids=lambda target: target.name)


@every_fault(stream=False)
@every(TARGETS)
def test_a_whole_answer(told: Told, target: Target) -> None:
    answer, record = told.of(target)
    check_refusal(told.fault, target, answer)
    check_record(told.fault, target, record)
    assert (record.streamed, record.http_status) == (False, told.fault.status)
    assert (record.cost_micros, record.prompt_tokens) == (0, 0)


@every_fault(stream=True)
@every([target for target in TARGETS if target.streams])
def test_a_stream(told: Told, target: Target) -> None:
    """What a vendor said before its fault is billed, and nothing where it said nothing."""
    fault, (answer, record) = told.fault, told.of(target)
    check_record(fault, target, record)
    assert record.streamed
    assert (record.cost_micros > 0, record.prompt_tokens > 0) == (fault.late, fault.late)
    if not fault.late:
        check_refusal(fault, target, answer)
        return
    assert answer.status_code == 200
    *begun, last = payloads(answer.iter_lines())
    assert begun
    assert not any(target.dialect.is_end(text) for text in [*begun, last])
    check_last_word(fault, target, orjson.loads(last))


def check_refusal(fault: Fault, target: Target, answer: httpx.Response) -> None:
    check(target.dialect, answer, fault.status)
    assert answer.headers.get("retry-after") == ("7" if fault.status == 429 else None)


def check_record(fault: Fault, target: Target, record: Record) -> None:
    """A vendor that was asked is named."""
    assert (record.api, record.operation_id) == (target.dialect.api, target.operation_id)
    assert (record.state, record.error_code) == ("failed", fault.code)
    assert (record.provider, record.upstream_model) == ("openai", target.upstream_model)


def check_last_word(fault: Fault, target: Target, last: dict[str, Any]) -> None:
    if target.operation_id == "responses_create":
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["error"]["code"] == fault.code
    else:
        assert "error" in last or "detail" in last
    assert "openai" in str(last) or "provider" in str(last)


@every_fault(stream=True)
@pytest.mark.parametrize("target", [t for t in TARGETS if t.operation_id == "responses_create"], ids=lambda t: t.name)
def test_a_response_that_failed_is_kept_as_that_or_not_at_all(told: Told, target: Target) -> None:
    server, (answer, _) = told.server, told.of(target)
    if not told.fault.late:
        return
    response_id = orjson.loads(next(payloads(answer.iter_lines())))["response"]["id"]
    headers = {"Authorization": f"Bearer {server.key}"}
    kept = httpx.get(f"{server.url}{target.url}/{response_id}", headers=headers, timeout=60).json()
    assert (kept["status"], kept["error"]["code"]) == ("failed", told.fault.code)


Post = Callable[[Target, bool], Awaitable[httpx.Response]]


@asynccontextmanager
async def server_in_this_process(folder: Path, vendor: FakeVendor, patience_seconds: float) -> AsyncIterator[Post]:
    (folder / "catalog.yaml").write_text(CATALOG)
    settings = {
        "data_dir": folder,
        "bootstrap_keys": f"default={KEY}",
        "first_byte_timeout_seconds": patience_seconds,
        "idle_timeout_seconds": patience_seconds,
        "retries": 0,
        "breaker_failures": 0,
    }
    environment = {"OPENAI_API_KEY": KEYS["openai"], "OPENAI_BASE_URL": vendor.url + "/v1"}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with build(load(settings, environment).settings) as wired:
        transport = httpx.ASGITransport(wired.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=60) as http:
            yield lambda target, stream: http.post(target.url, json=target.asked(stream))


async def test_no_fault_leaves_a_task_or_an_answer_behind(tmp_path: Path) -> None:
    """Counted by what runs in this process; the first fault also brings to life what stays for good."""
    async with FakeVendor().running() as vendor, server_in_this_process(tmp_path, vendor, 0.3) as post:
        usual: set[asyncio.Task[Any]] = set()
        for fault in FAULTS:
            vendor.choose = fault.reply
            asked = [(target, stream) for target in TARGETS for stream in {False, target.streams}]
            answers = await asyncio.gather(*(post(target, stream) for target, stream in asked))
            assert 500 not in [answer.status_code for answer in answers]
            usual = usual or vendor_tasks_aside(vendor)
            await until(lambda: not vendor.busy and vendor_tasks_aside(vendor) <= usual)  # noqa: B023


SHAPES = {**MENDED, **BROKEN}


async def test_an_answer_of_any_shape_is_understood_or_the_vendors_fault(tmp_path: Path) -> None:
    async with FakeVendor().running() as vendor, server_in_this_process(tmp_path, vendor, 30) as post:
        asked = [(target, stream) for target in TARGETS for stream in {False, target.streams}]
        for name, shape in SHAPES.items():
            vendor.choose = partial(answer_of_shape, shape)
            answers = await asyncio.gather(*(post(target, stream) for target, stream in asked))
            for (target, _), answer in zip(asked, answers, strict=True):
                assert answer.status_code in (200, 502), (name, target.name, answer.text)
                assert "internal" not in answer.text.lower(), (name, target.name, answer.text)


def answer_of_shape(shape: dict[str, Any], seen: Seen) -> Reply:
    part = "text" if seen.path == "/v1/completions" else "delta" if seen.streamed else "message"
    body = shaped(part, **shape)
    return sse_reply([b"data: " + orjson.dumps(body) + b"\n\n"]) if seen.streamed else json_reply(body)


def vendor_tasks_aside(vendor: FakeVendor) -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - vendor.tasks


async def until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happens():  # noqa: ASYNC110
            await asyncio.sleep(0.02)

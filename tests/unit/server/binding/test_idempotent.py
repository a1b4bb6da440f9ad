from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.operation import Body, Operation
from handlers.core.call import Caller
from handlers.core.idempotency import Idempotency
from handlers.maniac import errors
from server.binding.boundary import Boundary
from server.binding.idempotent import Idempotent
from server.binding.recorder import Recorder
from server.request import KEY, Request
from storage.database import Database
from storage.ledger_record import Record
from storage.presence import Presence
from tests.unit.core.conftest import lose

App = Callable[[Any, Any, Any], Awaitable[None]]
OPERATION = Operation("things_create", "POST", "/things", "handlers.x", "X")


class Ledger:
    def begin(self, record: Record) -> None:
        pass

    async def start(self, record: Record, begun: None = None) -> None:
        pass

    async def finish(self, record: Record) -> None:
        pass

    def post(self, record: Record) -> None:
        pass


class Server:
    """The layers around one endpoint, over a real database."""

    def __init__(self, database: Database, presence: Presence, endpoint: App) -> None:
        idempotency = Idempotency(database, presence.process_id)
        layer = Idempotent(endpoint, api="maniac", idempotency=idempotency)
        self._app = Boundary(layer, wording=errors, recorder=Recorder("maniac", Ledger()))

    async def post(self) -> list[dict[str, Any]]:
        """What is sent, message by message."""
        headers = [(b"idempotency-key", b"k1")]
        request = Request({"method": "POST", "query_string": b"", "headers": headers}, "/things")
        request.operation, request.body, request.who = OPERATION, Body({}), Caller("project-1", "default")
        request.record = Record(request.request_id, "maniac", "things_create", 0.0)
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app({KEY: request}, None, send)
        return sent


def answering(text: bytes, *, state: str = "completed", streaming: bool = False, first: Any = None) -> App:
    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        assert request.record is not None
        if first is not None:
            first()
        request.streaming = streaming
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if streaming:
            await send({"type": "http.response.body", "body": text, "more_body": True})
        request.record.state = state  # type: ignore[assignment]
        await send({"type": "http.response.body", "body": b"" if streaming else text})

    return endpoint


@pytest.fixture
async def presence(tmp_path: Path) -> Any:
    database = Database.open(f"sqlite:///{tmp_path}/concordat.db")
    await database.ensure_current()
    present = Presence(database)
    await present.beat()
    yield present
    await database.close()


def body(sent: list[dict[str, Any]]) -> bytes:
    assert [message["type"] for message in sent].count("http.response.start") == 1
    return b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_answer_is_given_again(presence: Presence, streaming: bool) -> None:
    await Server(presence.database, presence, answering(b"first", streaming=streaming)).post()
    again = await Server(presence.database, presence, answering(b"second")).post()
    assert body(again) == b"first"
    assert (b"idempotent-replayed", b"true") in again[0]["headers"]


@pytest.mark.parametrize("state", ["failed", "interrupted"])
async def test_a_stream_that_broke_off_is_done_again(presence: Presence, state: str) -> None:
    await Server(presence.database, presence, answering(b"half", state=state, streaming=True)).post()
    assert body(await Server(presence.database, presence, answering(b"whole")).post()) == b"whole"


async def test_an_answer_that_cannot_be_kept_is_an_error(presence: Presence) -> None:
    endpoint = answering(b"first", first=lambda: lose(presence.database))
    sent = await Server(presence.database, presence, endpoint).post()
    assert sent[0]["status"] == 503
    assert b"SERVICE_UNAVAILABLE" in body(sent)


async def test_a_stream_that_cannot_be_kept_has_no_end(presence: Presence) -> None:
    endpoint = answering(b"first", streaming=True, first=lambda: lose(presence.database))
    sent = await Server(presence.database, presence, endpoint).post()
    assert body(sent) == b"first"
    assert sent[-1]["more_body"]

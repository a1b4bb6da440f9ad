"""Rows of batches get the answers that they would have got over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.core.batches import Asked, Told
from handlers.core.call import Caller
from handlers.core.errors import PaymentRequired, RateLimited
from server.app import load_document, load_wording
from server.binding.desk import Desk
from storage.errors import StorageUnavailable
from storage.ledger_record import Record
from tests.unit.handlers.bench import make_services, said
from tests.unit.handlers.doubles import Purse

BODY = {"model": "simulator/chat", "messages": said("hello")}
WHO = Caller("project-1", "default", "key-1")


class Book:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.finished: list[Record] = []
        self.posted: list[Record] = []

    async def start(self, record: Record) -> None:
        raise AssertionError("rows are not streamed")

    async def finish(self, record: Record) -> None:
        self.finished.append(record)

    def post(self, record: Record) -> None:
        self.posted.append(record)


def desk(refuse: Exception | None = None, ledger: Book | None = None) -> Desk:
    services = make_services(quota=Purse(refuse), ledger=ledger or Book())
    return Desk("ipop", services, load_wording("ipop"), lambda: load_document("ipop", "/ipop/v1"))


async def ask(body: Any, refuse: Exception | None = None) -> Told:
    return await desk(refuse).ask(Asked("chat_completions_create", body, WHO, "req-1"))


async def test_an_answer_and_its_record() -> None:
    book = Book()
    ours = desk(ledger=book)
    told = await ours.ask(Asked("chat_completions_create", BODY, WHO, "req-1"))
    assert (told.status, told.body["object"], told.wait_seconds) == (200, "chat.completion", None)
    await ours.record(told)
    (record,) = book.finished
    assert (record.request_id, record.state, record.http_status) == ("req-1", "completed", 200)
    assert (record.project_id, record.key_id, record.model) == ("project-1", "key-1", "simulator/chat")


@pytest.mark.parametrize(
    "body",
    [{}, {"model": "simulator/chat"}, BODY | {"temperature": "hot"}, BODY | {"stream": True}, BODY | {"messages": []}],
)
async def test_what_the_document_or_the_handler_refuses(body: Any) -> None:
    told = await ask(body)
    assert (told.status, told.wait_seconds, told.record.state) == (400, None, "failed")
    assert told.body["retryable"] is False


async def test_a_body_that_is_nested_too_deep() -> None:
    deep: list[Any] = []
    for _ in range(600):
        deep = [deep]
    assert (await ask(BODY | {"metadata": {"x": deep}})).status == 400


async def test_a_limit_is_told_as_one_to_wait_for() -> None:
    told = await ask(BODY, RateLimited("slowly", retry_after_seconds=7))
    assert (told.status, told.wait_seconds, told.by_limit) == (429, 7.0, True)
    told = await ask(BODY, PaymentRequired("no money"))
    assert (told.status, told.wait_seconds) == (402, None)


async def test_a_fault_of_ours_ends_the_row_and_tells_nothing() -> None:
    told = await ask(BODY, RuntimeError("secret"))
    assert (told.status, told.wait_seconds) == (500, None)
    assert "secret" not in str(told.body)


async def test_a_database_that_is_away_ends_no_row() -> None:
    with pytest.raises(StorageUnavailable):
        await ask(BODY, StorageUnavailable("away"))

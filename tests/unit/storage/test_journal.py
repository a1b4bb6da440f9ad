"""The ledger's journal: what was appended is read again, whoever ended when, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.captured import CapturedMessage
from storage.copying.in_sqlite import check_absent
from storage.database import Database
from storage.errors import CopyRefused, RowRefused, StorageUnavailable
from storage.ledger import journal
from storage.ledger.drain import Drain
from storage.ledger.journal import Journal, Position, Reader
from storage.ledger.journaled import Journaled
from storage.ledger.settle import settle
from storage.ledger.sink import line, pack, unpack
from storage.ledger.sqlite import moment
from storage.ledger_record import Record

PATIENCE_SECONDS = 60


def rows(reader: Reader) -> list[bytes]:
    found = []
    while payloads := reader.read():
        found += payloads
    return found


def test_what_is_appended_is_read_in_order_over_many_segments(tmp_path: Path) -> None:
    written = Journal(tmp_path / "p", segment_bytes=100)
    reader = Reader(tmp_path / "p")
    assert rows(reader) == []
    payloads = [bytes([65 + number]) * (10 + number * 7) for number in range(20)]
    for payload in payloads[:12]:
        end = written.append(payload)
    assert rows(reader) == payloads[:12]
    assert reader.position == end == journal.end_of(tmp_path / "p")
    assert reader.position.segment > 3
    for payload in payloads[12:]:
        written.append(payload)
    assert rows(reader) == payloads[12:]
    assert rows(Reader(tmp_path / "p")) == payloads


def test_a_row_larger_than_a_batch_is_read(tmp_path: Path) -> None:
    written = Journal(tmp_path / "p")
    large = os.urandom(journal.BATCH_BYTES + 1000)
    for payload in (b"before", large, b"after"):
        written.append(payload)
    assert rows(Reader(tmp_path / "p")) == [b"before", large, b"after"]


@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_what_the_power_left_half_written_ends_its_segment_and_no_other(tmp_path: Path, harm: str) -> None:
    written = Journal(tmp_path / "p", segment_bytes=40)
    for payload in (b"first" * 4, b"second" * 4, b"third" * 4):
        written.append(payload)
    file = journal.segment(tmp_path / "p", 1)
    data = file.read_bytes()
    assert data.endswith(b"second")
    file.write_bytes(data[:-3] if harm == "cut" else data[:-3] + b"xyz")
    assert rows(Reader(tmp_path / "p")) == [b"first" * 4, b"third" * 4]


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_a_row_and_spoils_no_other(tmp_path: Path) -> None:
    written = Journal(tmp_path / "p")
    written.append(b"first")
    with no_file_beyond(40):
        with pytest.raises(StorageUnavailable, match="full"):
            written.append(b"too long for what is left of it")
        with no_file_beyond(journal.end_of(tmp_path / "p").offset), pytest.raises(StorageUnavailable):
            written.append(b"not a byte more")
    written.append(b"second")
    assert rows(Reader(tmp_path / "p")) == [b"first", b"second"]


def test_a_journal_is_locked_for_as_long_as_its_process_has_it(tmp_path: Path) -> None:
    written = Journal(tmp_path / "p")
    assert journal.lock(tmp_path / "p") is None
    written.close()
    held = journal.lock(tmp_path / "p")
    assert held is not None
    os.close(held)


def test_a_row_is_the_same_when_it_is_unpacked() -> None:
    record = Record("req_1", "ipop", "op", 1.5, "p", state="completed", cost_micros=3, metadata={"ä": [1, None]})
    assert unpack(pack(record, "proc", moment), moment) == line(record, "proc", moment)


@pytest.mark.parametrize("prompt_tokens", [2**63, 2**70])
def test_a_number_that_no_database_keeps_is_refused_at_once(prompt_tokens: int) -> None:
    record = Record("req_1", "ipop", "op", 1.5, "p", state="completed", prompt_tokens=prompt_tokens)
    with pytest.raises(RowRefused):
        pack(record, "proc", moment)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    database = Database.open(f"sqlite:///{tmp_path}/a.db")
    await database.ensure_current()
    await database.close()
    return database.path


def record(request_id: str) -> Record:
    return Record(request_id, "ipop", "chat", 1_790_000_000.0, "proj_1", state="completed", cost_micros=1)


def kept(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT request_id FROM requests")}


async def test_rows_come_on_when_the_draining_process_is_killed(path: Path) -> None:
    writer = Journaled(path, "proc_1", "soon", backlog_rows=100)
    await writer.open()
    for number in range(3):
        assert writer.write(record(f"req_{number}"), "proc_1") is None
        async with asyncio.timeout(PATIENCE_SECONDS):
            await settle(path)
        [drain] = children_of(os.getpid())
        os.kill(drain, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while runs(drain):  # noqa: ASYNC110
                await asyncio.sleep(0)
    writer.write(record("req_last"), "proc_1")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await settle(path)
    assert kept(path) == {"req_0", "req_1", "req_2", "req_last"}
    await writer.close(PATIENCE_SECONDS)
    assert list(journal.folders(path)) == []


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes() != b""


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    named = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in found}
    return [child for child, command in named.items() if b"storage.ledger.drain" in command]


@pytest.mark.parametrize("sync", ["always", "billed", "soon"])
async def test_only_what_the_setting_says_waits_for_the_disk(path: Path, sync: str) -> None:
    writer = Journaled(path, "proc_1", sync, backlog_rows=100)  # type: ignore[arg-type]
    await writer.open()
    free, billed = record("req_free"), record("req_billed")
    free.cost_micros = 0
    waits = [writer.write(one, "proc_1") for one in (free, billed)]
    assert [wait is not None for wait in waits] == {
        "always": [True, True],
        "billed": [False, True],
        "soon": [False, False],
    }[sync]
    await asyncio.gather(*filter(None, waits))
    await writer.close(PATIENCE_SECONDS)
    assert kept(path) == {"req_free", "req_billed"}


class Syncing(journal.Syncing):
    """Writes down what it is told to sync."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.synced: list[tuple[int, int]] = []

    def sync(self, first: int, last: int) -> None:
        super().sync(first, last)
        self.synced.append((first, last))


async def test_rows_that_nobody_waits_for_are_synced_all_the_same_even_while_the_database_is_locked(path: Path) -> None:
    written = Journal(journal.home(path) / "proc_1")
    syncing = Syncing(written.folder)
    drain = Drain(path, written.folder, syncing=syncing)
    written.append(pack(record("req_1"), "proc_1", moment))
    written.turn_over()
    written.append(pack(record("req_2"), "proc_1", moment))
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable):
            drain.step()
    assert syncing.synced == [(1, 1)]
    while drain.step():
        pass
    assert syncing.synced == [(1, 1), (1, 2)]
    assert kept(path) == {"req_1", "req_2"}
    drain.close()


async def test_what_is_in_the_database_leaves_the_journal(path: Path) -> None:
    writer = Journaled(path, "proc_1", "billed", backlog_rows=100)
    writer.tidy_seconds = 0.0
    await writer.open()
    folder = journal.home(path) / "proc_1"
    for number in range(3):
        synced = writer.write(record(f"req_{number}"), "proc_1")
        assert synced is not None
        await synced
        async with asyncio.timeout(PATIENCE_SECONDS):
            while journal.end_of(folder) != Position(0, 0):  # noqa: ASYNC110 - all segments are empty then
                await asyncio.sleep(0.001)
    assert kept(path) == {f"req_{number}" for number in range(3)}
    await writer.close(PATIENCE_SECONDS)


async def test_a_row_is_kept_whose_companion_the_database_refuses(path: Path) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    fine = CapturedMessage("req_1", 1, "proj_1", at, "request", "user", None, "said", False, None, None)
    writer = Journaled(path, "proc_1", "soon", backlog_rows=100)
    await writer.open()
    for request_id, number in (("req_0", 1), ("req_1", 2**63), ("req_2", 1)):
        message = replace(fine, request_id=request_id, message_seq=number)
        writer.write(replace(record(request_id), messages=(message,)), "proc_1")
    await writer.close(PATIENCE_SECONDS)
    assert kept(path) == {"req_0", "req_1", "req_2"}
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT request_id FROM captured_messages")
        assert sorted(row[0] for row in rows) == ["req_0", "req_2"]


def test_nothing_is_restored_beside_records_of_another_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    check_absent(path)
    Journal(journal.home(path) / "proc_1").close()
    with pytest.raises(CopyRefused, match="another database"):
        check_absent(path)


DIES = """
import asyncio, os, sys
from pathlib import Path
from tests.unit.storage.test_journal import dies
asyncio.run(dies(Path(sys.argv[1])))
"""


async def dies(path: Path) -> None:
    """Acknowledges rows and is killed, its draining process before it."""
    writer = Journaled(path, "proc_dying", "soon", backlog_rows=100)
    await writer.open()
    for drain in children_of(os.getpid()):
        os.kill(drain, signal.SIGKILL)
    for number in range(50):
        writer.write(record(f"req_{number}"), "proc_dying")
    os.kill(os.getpid(), signal.SIGKILL)


async def test_what_a_dead_process_acknowledged_is_there_for_whoever_looks(path: Path) -> None:
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, str(path))
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await dying.wait() == -signal.SIGKILL
    [folder] = journal.folders(path)
    assert journal.applied(folder) == Position(0, 0) < journal.end_of(folder)
    await settle(path)
    assert kept(path) == {f"req_{number}" for number in range(50)}
    assert list(journal.folders(path)) == []

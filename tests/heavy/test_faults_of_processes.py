"""One of three processes is killed under load: the others go on, and settle what it left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.storage.conftest import fresh_database
from tests.heavy.siege import Siege, draw_up_accounts, give_credits
from tests.live import LiveServer

pytestmark = pytest.mark.heavy

PROCESSES = 3
FEW, MANY = 50, 300


@pytest.fixture
def servers(postgres_url: str, tmp_path: Path) -> Iterator[list[LiveServer]]:
    with fresh_database(postgres_url) as url, ExitStack() as stack:
        settings = {"CONCORDAT_DATABASE_URL": url, "CONCORDAT_VALIDATE_RESPONSES": "false"}
        three = [LiveServer(tmp_path / f"data-{number}", settings) for number in range(PROCESSES)]
        assert three[0].cli("db", "upgrade").returncode == 0
        for server in three:
            stack.callback(server.stop)
            server.start()
        give_credits(three[0])
        yield three


def test_one_of_three_processes_is_killed(servers: list[LiveServer]) -> None:
    first, *others = servers
    siege = Siege(servers)
    with siege.running():
        siege.wait_for_answers(MANY)
        first.stop(signal.SIGKILL)
        took = siege.wait_for_answers(FEW)
        siege.wait_for_answers(MANY)
    print(f"\n{draw_up_accounts(others[0], siege)}\n{FEW} answers {took:.1f} s after the kill")
    assert siege.untold == []
    assert siege.refused == 0
    assert siege.cut > 0
    for server in others:
        assert '"event":"internal_error"' not in server.log_text()

from __future__ import annotations

from typing import Any

import pytest

from storage.database import Database
from storage.errors import StorageUnavailable
from storage.workflows import Steps, Workflows
from tests.live import free_port


async def test_a_database_that_is_away_is_no_fault_of_ours() -> None:
    async def body(workflow_id: str, steps: Steps) -> Any:
        raise NotImplementedError

    database = Database.open(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    workflows = Workflows(database, "process", body)
    try:
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="background work cannot begin"):
                await workflows.start()
    finally:
        await workflows.stop()
        await database.close()
    assert not workflows.is_started

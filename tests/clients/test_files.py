"""Published clients, unmodified: they store, page through, read and delete files."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunClient

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("prefix", ["/maniac/v1", "/ipop/v1", "/llama-stack-deprecated/v1/openai/v1"])
def test_openai_keeps_files(run_client: RunClient, prefix: str) -> None:
    answers = run_client("openai", "openai_files.py", prefix)
    made = answers["made"]
    assert answers["retrieved"] == [made[1], "1.bin", 2_560_001, "batch", "file"]
    assert answers["is_whole"]
    assert answers["paged"][:3] == made[::-1]
    assert len(set(answers["paged"])) == len(answers["paged"])
    assert answers["gone"]
    assert answers["left"][:2] == [made[2], made[0]]


def test_maniac_keeps_files(run_client: RunClient) -> None:
    answers = run_client("maniac", "maniac_files.py", "/maniac")
    made = answers["made"]
    assert (answers["page"], answers["total"]) == ([made[1], made[0]], 3)
    assert answers["retrieved"] == ["0.jsonl", 51, "fine-tune"]
    assert "messages" in answers["content"]
    assert (answers["deleted"], answers["gone"]) == (True, True)


def test_llama_stack_deprecated_keeps_files(run_client: RunClient) -> None:
    answers = run_client("llama-stack-client-0.2.23", "llama_stack_files.py", "/llama-stack-deprecated")
    made = answers["made"]
    assert answers["short"][1] == 3600
    assert answers["paged"][-len(made) - 1 :] == [*made, answers["short"][0]]  # behind those of others
    assert answers["retrieved"] == ["1.txt", 7, "assistants"]
    assert "hello 1" in answers["content"]
    assert (answers["deleted"], answers["gone"]) == (True, True)

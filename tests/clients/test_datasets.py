"""Published clients, unmodified: they make batches and datasets, and read what became of them."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunClient

pytestmark = pytest.mark.clients


def test_openai_has_a_batch_answered(run_client: RunClient) -> None:
    answers = run_client("openai", "openai_batches.py", "/ipop/v1")
    assert answers["done"] == ["completed", "batch", {"a": "b"}, {"completed": 2, "failed": 1, "total": 3}]
    assert answers["output"] == [["a", 200], ["c", 200]]
    assert answers["errors"] == [["b", 404]]
    assert answers["wrong"] == ["failed", "duplicate_custom_id", 2]
    assert (answers["asked"] in ("cancelling", "cancelled"), answers["cancelled"]) == (True, "cancelled")
    assert answers["listed"] == answers["made"]


def test_llama_stack_keeps_datasets(run_client: RunClient) -> None:
    answers = run_client("llama-stack-client-0.1.1", "llama_stack_datasets.py", "/llama-stack")
    assert answers["pages"] == [4, 6, 2, None]
    assert answers["whole"] == [f"a{n}" for n in range(6)]
    assert answers["columns"] == ["expected_answer", "input_query"]
    assert (answers["listed"], answers["gone"], answers["missing"]) == (True, True, True)


def test_llama_stack_deprecated_keeps_datasets(run_client: RunClient) -> None:
    script, prefix = "llama_stack_deprecated_datasets.py", "/llama-stack-deprecated"
    answers = run_client("llama-stack-client-0.2.23", script, prefix)
    assert answers["page"] == [[{"question": "q4", "answer": "a4"}], True]
    assert answers["rest"] == [[{"question": "q5", "answer": "a5"}], False]
    assert answers["shown"] == [{"from": "here"}, "uri"]
    assert (answers["listed"], answers["gone"]) == (True, True)


def test_maniac_has_a_dataset_built(run_client: RunClient) -> None:
    answers = run_client("maniac", "maniac_datasets.py", "/maniac")
    assert answers["found"] == ["test", 2, 10, ["t"]]
    assert (answers["listed"], answers["total"]) == (True, 1)

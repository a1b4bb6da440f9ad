"""Published clients, unmodified: they fill stores, and have models look into them."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunClient

pytestmark = pytest.mark.clients

HOURS = "The museum opens at nine."


def test_llama_stack_fills_and_asks_vector_databases(run_client: RunClient) -> None:
    answers = run_client("llama-stack-client-0.1.1", "llama_stack_rag.py", "/llama-stack")
    assert (answers["made"], answers["shown"]) == (["guides", 384], "local/all-minilm-l6-v2")
    assert "guides" in answers["listed"]
    assert answers["found"] == [[HOURS, {"document_id": "hours"}]]
    assert 0 < answers["scores"][0] <= 1
    assert "Dogs stay outside." in answers["context"]
    assert answers["gone"]


def test_openai_has_files_searched(run_client: RunClient) -> None:
    answers = run_client("openai", "openai_file_search.py", "/ipop/v1")
    assert (answers["search"], answers["results"]) == (["file_search_call", "completed"], [["hours.txt", HOURS]])
    assert HOURS in answers["text"]
    assert answers["citation"] == ["file_citation", "hours.txt"]
    assert "response.file_search_call.completed" in answers["kinds"]
    assert "response.output_text.annotation.added" in answers["kinds"]
    assert answers["streamed"] == ["file_search_call", "message"]


def test_llama_stack_deprecated_has_files_searched(run_client: RunClient) -> None:
    client, prefix = "llama-stack-client-0.2.23", "/llama-stack-deprecated"
    answers = run_client(client, "llama_stack_file_search.py", prefix)
    assert (answers["search"], answers["results"]) == (["file_search_call", "completed"], [["hours.txt", HOURS]])
    assert answers["citation"] == ["file_citation", "hours.txt"]
    assert answers["streamed"] == ["file_search_call", "message"]

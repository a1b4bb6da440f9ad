"""Published clients, unmodified: they make vector stores, put files in, and search."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunClient

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("prefix", ["/ipop/v1", "/llama-stack-deprecated/v1/openai/v1"])
def test_openai_searches_vector_stores(run_client: RunClient, prefix: str) -> None:
    answers = run_client("openai", "openai_vector_stores.py", prefix)
    made = answers["made"]
    assert (answers["statuses"], answers["found"]) == (["completed", "completed"], ["cats.txt"])
    assert answers["paged"][:3] == made[::-1]
    assert (answers["renamed"], answers["is_listed"], answers["left"]) == ("renamed", True, 1)
    assert answers["deleted"] == [made[2], True]


def test_llama_stack_deprecated_searches_vector_stores(run_client: RunClient) -> None:
    answers = run_client("llama-stack-client-0.2.23", "llama_stack_vector_stores.py", "/llama-stack-deprecated")
    assert (answers["completed"], answers["found"], answers["pets"]) == (2, ["cats.txt"], ["cats.txt"])
    assert "leaves of a shrub" in answers["content"]
    assert answers["deleted"]

"""The telemetry of published clients, unmodified, against a real server."""

from __future__ import annotations

import pytest

from tests.clients.conftest import RunClient

pytestmark = pytest.mark.clients


def test_llama_stack_logs_spans_and_finds_them(run_client: RunClient) -> None:
    answers = run_client("llama-stack-client-0.1.1", "llama_stack_telemetry.py", "/llama-stack")
    assert (answers["traces"], answers["root"], answers["span"]) == ([True], True, "step")
    assert answers["spans"] == [{"input": "a", "output": "b, 'c'"}]
    assert answers["tree"] == [["session", "error", {}], ["step", "ok", {"input": "a"}]]
    assert answers["unknown"] == 404


def test_llama_stack_deprecated_finds_its_own_chat(run_client: RunClient) -> None:
    script, prefix = "llama_stack_deprecated_telemetry.py", "/llama-stack-deprecated"
    answers = run_client("llama-stack-client-0.2.23", script, prefix)
    assert (answers["parent"], answers["tree"], answers["traces"]) == (True, ["ok"], True)
    assert {"model_id": "simulator/chat", "provider_id": "simulator"} in answers["labels"]
    (tokens,) = answers["spans"]
    assert answers["total"] >= tokens > 0

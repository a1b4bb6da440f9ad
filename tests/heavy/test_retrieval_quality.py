"""How often the document that answers a question is among the first five found, with the embedded model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.heavy.corpus.corpus import documents, questions
from tests.journeys.waiting import eventually
from tests.live import running

STORES = "/llama-stack-deprecated/v1/openai/v1/vector_stores"
MODES = ("hybrid", "vector", "keyword")


def fill(client: httpx.Client) -> str:
    """Answers the store's address."""
    file_ids = []
    for path in documents():
        files = {"file": (path.name, path.read_bytes())}
        answer = client.post("/ipop/v1/files", data={"purpose": "assistants"}, files=files)
        file_ids.append(answer.raise_for_status().json()["id"])
    made = client.post(STORES, json={"name": "corpus", "file_ids": file_ids}).raise_for_status().json()
    url = f"{STORES}/{made['id']}"
    counts = eventually(lambda: client.get(url).json()["file_counts"], lambda seen: seen["in_progress"] == 0)
    assert counts["completed"] == len(file_ids)
    return url


def test_the_answer_is_among_the_first_five(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = questions()
    hits: Mapping[str, list[str]] = {mode: [] for mode in MODES}
    with running(tmp_path) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            url = fill(client)
            for question in asked:
                for mode in MODES:
                    wish = {"query": question.ask, "search_mode": mode, "max_num_results": 5}
                    found = client.post(f"{url}/search", json=wish).raise_for_status().json()["data"]
                    if question.document in [hit["filename"] for hit in found]:
                        hits[mode].append(question.ask)
    with capsys.disabled():
        print()
        for mode in MODES:
            missed = [question.ask for question in asked if question.ask not in hits[mode]]
            print(f"hit rate at 5, {mode}: {len(hits[mode]) / len(asked):.3f}; missed: {missed}")
    assert len(asked) == 30
    assert len(hits["hybrid"]) >= 0.9 * len(asked)

"""A stream of each API, byte for byte as its client reads it: `transcripts/<api>.txt`, with ids and times replaced."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.dialects import DIALECTS, LLAMA, Dialect

TRANSCRIPTS = Path(__file__).with_name("transcripts")
REPLACED = (
    (re.compile(r"\b(chatcmpl-|call_|req_)[0-9a-f]{24}\b"), r"\1ID"),
    (re.compile(r'"(created|latency_ms)":\d+'), r'"\1":0'),
)
ASKED = [{"role": "user", "content": "Is it warm in Oslo?"}]


def text_request(dialect: Dialect) -> dict[str, Any]:
    """Three tokens long, with usage where the API streams it."""
    if dialect is LLAMA:
        return {"sampling_params": {"strategy": {"type": "greedy"}, "max_tokens": 3}}
    return {"max_tokens": 3, "stream_options": {"include_usage": True}}


def tool_request(dialect: Dialect) -> dict[str, Any]:
    if dialect is LLAMA:
        parameters = {"indoors": {"param_type": "boolean", "required": True}}
        return {"tools": [{"tool_name": "measure", "parameters": parameters}], "tool_choice": "required"}
    schema = {"type": "object", "properties": {"indoors": {"type": "boolean"}}, "required": ["indoors"]}
    function = {"name": "measure", "parameters": schema}
    return {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}


def transcript(client: httpx.Client, dialect: Dialect, request: dict[str, Any]) -> str:
    text = client.post(dialect.url, json=dialect.chat(messages=ASKED, stream=True, **request)).text
    for pattern, replacement in REPLACED:
        text = pattern.sub(replacement, text)
    return text


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
def test_stream_reads_as_it_is_written_down(client: httpx.Client, dialect: Dialect) -> None:
    said = transcript(client, dialect, text_request(dialect))
    called = transcript(client, dialect, tool_request(dialect))
    expected = (TRANSCRIPTS / f"{dialect.api}.txt").read_text(encoding="utf-8")
    assert f"# three tokens of text\n\n{said}# a tool call\n\n{called}" == expected

"""Whatever a document allows to ask of a model is answered as it says or refused in words, whole and streamed alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from server.app import PREFIXES
from server.config import Settings
from server.wiring import build
from tests.conformance.chat_requests import Requests
from tests.unit.handlers.bench import check

KEY = "ck_property_0123456789"
TAME, WILD = 60, 200
"""Bodies for each operation, each sent twice."""

OPERATIONS = [
    ("maniac", "chat_completions_create"),
    ("ipop", "chat_completions_create"),
    ("llama_stack", "chat_completions_create"),
    ("llama_stack", "completions_create"),
    ("llama_stack_deprecated", "chat_completions_create"),
    ("llama_stack_deprecated", "completions_create"),
]


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server in this process, which holds whole answers against their document."""
    settings = Settings(data_dir=folder, bootstrap_keys=f"default={KEY}", validate_responses=True)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    async with build(settings) as wired:
        transport = httpx.ASGITransport(wired.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as http:
            yield http


class Asking:
    def __init__(self, http: httpx.AsyncClient, api: str, path: str) -> None:
        self._http = http
        self._api = api
        self._path = path
        self._events = f"#/paths/{path.replace('/', '~1')}/post/responses/200/content/text~1event-stream/schema"

    async def status(self, body: dict[str, Any]) -> int:
        """The status of the whole and of the streamed answer, which say the same."""
        whole = await self._post({**body, "stream": False})
        streamed = await self._post({**body, "stream": True})
        assert whole.status_code == streamed.status_code, (body, whole.text, streamed.text)
        if whole.status_code != 200:
            assert 400 <= whole.status_code < 500 or whole.status_code == 501, (body, whole.text)
            assert len(whole.text) > 40, "a refusal says what is refused"
            return whole.status_code
        said = whole_message(whole.json())
        assert said == streamed_message(self._events_of(streamed)), body
        return 200

    async def _post(self, body: dict[str, Any]) -> httpx.Response:
        return await self._http.post(PREFIXES[self._api] + self._path, content=orjson.dumps(body))

    def _events_of(self, answer: httpx.Response) -> list[Any]:
        texts = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
        events = [orjson.loads(text) for text in texts if text != "[DONE]"]
        if self._api != "maniac":  # which documents its stream as one text
            for event in events:
                check(self._api, self._events, event)
        return events


def whole_message(answer: Any) -> Any:
    """What was said, without ids: by choice for OpenAI's shapes."""
    if "completion_message" in answer:
        message = answer["completion_message"]
        calls = [(call["tool_name"], call["arguments"]) for call in message["tool_calls"]]
        return message["content"], calls, message["stop_reason"]
    if "content" in answer:
        return answer["content"], answer["stop_reason"]
    return {choice["index"]: _openai_choice(choice) for choice in answer["choices"]}


def _openai_choice(choice: Any) -> Any:
    message = choice.get("message") or {"content": choice.get("text")}
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or []]
    return message.get("content") or "", message.get("reasoning_content") or "", calls, choice["finish_reason"]


def streamed_message(events: list[Any]) -> Any:
    if "event" in events[0]:
        return _llama_message([event["event"] for event in events])
    if "delta" in events[0]:
        return "".join(event["delta"] for event in events), events[-1]["stop_reason"]
    choices: dict[int, Any] = {}
    for choice in (choice for event in events for choice in event["choices"]):
        _add(choices.setdefault(choice["index"], {"text": "", "reasoning": "", "calls": {}, "reason": None}), choice)
    return {
        index: (said["text"], said["reasoning"], [tuple(call) for call in said["calls"].values()], said["reason"])
        for index, said in choices.items()
    }


def _add(said: dict[str, Any], choice: Any) -> None:
    delta = choice.get("delta") or {"content": choice.get("text")}
    said["text"] += delta.get("content") or ""
    said["reasoning"] += delta.get("reasoning_content") or ""
    said["reason"] = choice.get("finish_reason") or said["reason"]
    for piece in delta.get("tool_calls") or []:
        call = said["calls"].setdefault(piece["index"], ["", ""])
        call[0] += piece["function"].get("name") or ""
        call[1] += piece["function"].get("arguments") or ""


def _llama_message(events: list[Any]) -> Any:
    deltas = [event["delta"] for event in events]
    texts = ["".join(delta["text"] for delta in deltas if delta["type"] == "text")]
    texts += [delta["tool_call"] for delta in deltas if delta.get("parse_status") == "failed"]
    calls = [delta["tool_call"] for delta in deltas if delta.get("parse_status") == "succeeded"]
    return (
        "\n".join(filter(None, texts)),
        [(call["tool_name"], call["arguments"]) for call in calls],
        events[-1]["stop_reason"],
    )


@pytest.mark.parametrize(("api", "operation_id"), OPERATIONS)
async def test_what_the_document_allows_is_answered_or_refused(api: str, operation_id: str, tmp_path: Path) -> None:
    requests = Requests(api, operation_id, seed=7)
    async with client(tmp_path) as http:
        asking = Asking(http, api, requests.path)
        for _ in range(TAME):
            body = requests.tame()
            assert await asking.status(body) == 200, body
        statuses = [await asking.status(requests.wild()) for _ in range(WILD)]
    assert statuses.count(200) > WILD / 10

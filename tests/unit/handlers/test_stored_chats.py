"""Stored chats as each API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from codegen.generated.maniac.routes import ChatCompletionsRetrieveParams
from handlers.core.completions import StoredChat
from handlers.llama_stack_deprecated import stored
from handlers.maniac.chat import chat_completions_retrieve
from tests.unit.handlers.bench import check, check_answer, make_call, make_services

MESSAGE = {"role": "assistant", "content": "Hi"}


def chat(messages: list[dict[str, Any]], message: dict[str, Any] = MESSAGE, **answer: Any) -> StoredChat:
    kept = {"created": None, "choices": [{"index": 0, "message": message}], "usage": None} | answer
    return StoredChat(
        "key", "project-1", "chatcmpl-1", datetime(2026, 5, 1, tzinfo=UTC), None, None, None, None, 0, None, None, None,
        orjson.dumps({"messages": messages}), orjson.dumps(kept),
    )  # fmt: skip


class Shelf:
    def __init__(self, *chats: StoredChat) -> None:
        self.chats = chats

    async def get(self, project_id: str, completion_id: str) -> StoredChat | None:
        return next((chat for chat in self.chats if (chat.project_id, chat.id) == (project_id, completion_id)), None)


AUDIO = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low", "theirs": 1}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"role": "user", "content": "hi", "name": "Ann"}, {"role": "user", "content": "hi", "name": "Ann"}),
        ({"role": "user", "content": None}, {"role": "user", "content": ""}),
        ({"role": "tool", "content": "42"}, {"role": "tool", "content": "42", "tool_call_id": ""}),
        (
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
        ),
        (
            {"role": "user", "content": [IMAGE, AUDIO]},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                    {"type": "text", "text": orjson.dumps(AUDIO).decode()},
                ],
            },
        ),
    ],
    ids=["text", "nothing", "tool", "call", "parts"],
)
def test_the_deprecated_api_shows_any_message_as_its_document_can(
    message: dict[str, Any], shown: dict[str, Any]
) -> None:
    rendered = stored.render(chat([message]))
    check("llama_stack_deprecated", "#/components/schemas/OpenAICompletionWithInputMessages", rendered)
    assert rendered["input_messages"] == [shown]
    assert rendered["created"] == 1777593600


def test_an_answer_in_parts_is_shown_as_texts() -> None:
    rendered = stored.render(chat([], {"role": "assistant", "content": [{"type": "text", "text": "a"}, IMAGE]}))
    check("llama_stack_deprecated", "#/components/schemas/OpenAICompletionWithInputMessages", rendered)
    assert [part["type"] for part in rendered["choices"][0]["message"]["content"]] == ["text", "text"]


async def test_maniac_shows_what_was_kept() -> None:
    kept = chat([{"role": "user", "content": "hi"}], created=5)
    call = make_call("maniac", make_services(completions=Shelf(kept)))
    shown = await chat_completions_retrieve(ChatCompletionsRetrieveParams("chatcmpl-1"), call)
    check_answer("maniac", "GET /v1/chat/completions/{completion_id}", shown)
    assert (shown["created"], shown["choices"][0]["message"]) == (5, MESSAGE)

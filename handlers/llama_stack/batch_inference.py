"""The document gives an answer no place for log probabilities: they are computed, and left out."""

from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import BatchChatCompletionsCreateBody, BatchCompletionsCreateBody
from handlers.core.asks import ChatAsk, TextAsk
from handlers.core.batching import complete_all
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.wire import openai_chat
from handlers.wire.llama import answers, messages, params
from handlers.wire.llama.provider_data import key_wish
from handlers.wire.reply import Reply


async def batch_chat_completions_create(body: BatchChatCompletionsCreateBody, call: Call) -> Reply:
    data: dict[str, Any] = body.data
    options, keys = params.chat_options(data), key_wish(call)
    asks = [
        ChatAsk(models=(data["model"],), messages=messages.chat_messages(conversation), options=options, keys=keys)
        for conversation in data["messages_batch"]
    ]
    answered = await complete_all(asks, "messages_batch", call)
    return _reply([answers.chat_answer(answer.body)["completion_message"] for answer in answered], answered)


async def batch_completions_create(body: BatchCompletionsCreateBody, call: Call) -> Reply:
    data: dict[str, Any] = body.data
    options, keys = params.text_options(data), key_wish(call)
    asks = [
        TextAsk(models=(data["model"],), prompts=(_prompt(content),), options=options, keys=keys)
        for content in data["content_batch"]
    ]
    answered = await complete_all(asks, "content_batch", call)
    return _reply([_as_message(answers.text_answer(answer.body)) for answer in answered], answered)


def _prompt(content: Any) -> str:
    return messages.plain_text(content, "content_batch", "a text completion takes")


def _as_message(answer: dict[str, Any]) -> dict[str, Any]:
    """The document answers texts as messages."""
    return {
        "role": "assistant",
        "content": answer["content"],
        "stop_reason": answer["stop_reason"],
        "tool_calls": [],
    }


def _reply(completions: list[dict[str, Any]], answered: list[Answer]) -> Reply:
    """Under both names that clients read."""
    headers = openai_chat.marks(answered[0].attempt) if answered else {}
    return Reply({"completion_message_batch": completions, "batch": completions}, headers=headers)

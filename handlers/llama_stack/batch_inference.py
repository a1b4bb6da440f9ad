"""Answered under both names that clients read: messages in `completion_message_batch`, as the document has it, and
whole responses, with their log probabilities, in `batch`, as version 0.1.1 of the client has it."""

from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import BatchChatCompletionsCreateBody, BatchCompletionsCreateBody
from handlers.core.asks import ChatAsk, TextAsk
from handlers.core.batching import check_size, complete_all, naming
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.wire import openai_chat
from handlers.wire.llama import answers, params
from handlers.wire.llama.messages import chat_messages, plain_text
from handlers.wire.llama.provider_data import key_wish
from handlers.wire.reply import Reply


async def batch_chat_completions_create(body: BatchChatCompletionsCreateBody, call: Call) -> Reply:
    data: dict[str, Any] = body.data
    check_size(data["messages_batch"], "messages_batch")
    options, keys = params.chat_options(data), key_wish(call)
    asks = []
    for number, conversation in enumerate(data["messages_batch"]):
        with naming("messages_batch", number):
            parsed = chat_messages(conversation)
        asks.append(ChatAsk(models=(data["model"],), messages=parsed, options=options, keys=keys))
    answered = await complete_all(asks, "messages_batch", call)
    batch = [answers.chat_answer(answer.body) for answer in answered]
    return _reply([response["completion_message"] for response in batch], batch, answered)


async def batch_completions_create(body: BatchCompletionsCreateBody, call: Call) -> Reply:
    data: dict[str, Any] = body.data
    check_size(data["content_batch"], "content_batch")
    options, keys = params.text_options(data), key_wish(call)
    asks = []
    for number, content in enumerate(data["content_batch"]):
        with naming("content_batch", number):
            prompt = _prompt(content)
        asks.append(TextAsk(models=(data["model"],), prompts=(prompt,), options=options, keys=keys))
    answered = await complete_all(asks, "content_batch", call)
    batch = [answers.text_answer(answer.body) for answer in answered]
    return _reply([_as_message(response) for response in batch], batch, answered)


def _prompt(content: Any) -> str:
    return plain_text(content, "content_batch", "a text completion takes")


def _as_message(answer: dict[str, Any]) -> dict[str, Any]:
    """The document answers texts as messages."""
    return {
        "role": "assistant",
        "content": answer["content"],
        "stop_reason": answer["stop_reason"],
        "tool_calls": [],
    }


def _reply(messages: list[dict[str, Any]], batch: list[dict[str, Any]], answered: list[Answer]) -> Reply:
    headers = openai_chat.marks(answered[0].attempt) if answered else {}
    return Reply({"completion_message_batch": messages, "batch": batch}, headers=headers)

from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import ChatCompletionsCreateBody, CompletionsCreateBody, EmbeddingsCreateBody
from handlers.core import chat, embeddings
from handlers.core.asks import ChatAsk, TextAsk
from handlers.core.call import Call
from handlers.core.embeddings import EmbedAsk
from handlers.wire import openai_chat
from handlers.wire.llama import answers, events, messages, params
from handlers.wire.llama.provider_data import key_wish
from handlers.wire.reply import EventStream, Reply


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    ask = ChatAsk(
        models=(data["model_id"],),
        messages=messages.chat_messages(data["messages"]),
        options=params.chat_options(data),
        keys=key_wish(call),
    )
    if data.get("stream"):
        return events.chat_stream(await chat.stream(ask, call))
    answer = await chat.complete(ask, call)
    return _whole(answers.chat_answer(answer.body), answer)


async def completions_create(body: CompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    ask = TextAsk(
        models=(data["model_id"],),
        prompts=(messages.plain_text(data["content"], "content", "a text completion takes"),),
        options=params.text_options(data),
        keys=key_wish(call),
    )
    if data.get("stream"):
        return events.text_stream(await chat.stream(ask, call))
    answer = await chat.complete(ask, call)
    return _whole(answers.text_answer(answer.body), answer)


async def embeddings_create(body: EmbeddingsCreateBody, call: Call) -> dict[str, Any]:
    """A text that is too long for the embedded model is read as far as it goes: the API has no word for its length."""
    texts = tuple(messages.plain_text(content, "contents", "embeddings take") for content in body.data["contents"])
    ask = EmbedAsk(model=body.data["model_id"], texts=texts, truncate=True, keys=key_wish(call), param="contents")
    embedded = await embeddings.embed(ask, call)
    return {"embeddings": [list(vector) for vector in embedded.vectors]}


def _whole(content: dict[str, Any], answer: chat.Answer) -> Reply:
    """JSON, although the document names `text/event-stream` alone."""
    return Reply(content, headers=openai_chat.marks(answer.attempt), media_type="application/json")

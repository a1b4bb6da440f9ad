"""Texts that a model reads to answer a question: what was found, as long as there is room."""

from __future__ import annotations

import re
from collections.abc import Sequence

from handlers.core import chat
from handlers.core.asks import ChatAsk, KeyWish
from handlers.core.call import Call
from handlers.core.errors import Invalid
from providers import tokens

STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
LONGEST_TEMPLATE = 32_768


async def fit(texts: Sequence[str], most_tokens: int) -> list[str]:
    """The first of them that have so many tokens together."""
    kept, left = [], most_tokens
    for text in texts:
        left -= await tokens.count_text(text)
        if left < 0:
            break
        kept.append(text)
    return kept


async def ask_for_query(question: str, model: str, template: str, call: Call, keys: KeyWish) -> str:
    """What a model would look for. The template's expressions all mean the question, which is the only message."""
    if len(template) > LONGEST_TEMPLATE:
        raise Invalid(f"template must have {LONGEST_TEMPLATE} characters at most", param="query_config")
    template = STATEMENT.sub("", template)
    prompt = EXPRESSION.sub(lambda _: question, template)
    if not EXPRESSION.search(template):
        prompt = f"{template}\n\n{question}"
    ask = ChatAsk(models=(model,), messages=[{"role": "user", "content": prompt}], keys=keys)
    answer = await chat.complete(ask, call)
    return str(answer.body["choices"][0]["message"].get("content") or "").strip() or question

"""What a server that speaks OpenAI's API answered, held to what is read of it here.

Small things that such servers leave out or spell differently are put right. What cannot be read is `BrokenAnswer`, so
that whatever comes of an answer later can rely on its shape: every choice has an `index` and its message, delta or
text; texts are texts; tool calls are functions with arguments as text; log probabilities belong to tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import orjson

from providers.inference.belief import believed, count, is_id
from providers.inference.interface import Usage
from providers.vendor_api import VendorApi

Json = dict[str, Any]
Part = Literal["message", "delta", "text"]
"""Where a choice has what it says."""

_OTHERS: dict[Part, tuple[str, str]] = {
    "message": ("delta", "text"),
    "delta": ("message", "text"),
    "text": ("message", "delta"),
}
_TEXTS = ("content", "reasoning_content", "refusal")


def mend(body: Json, part: Part, api: VendorApi) -> bool:
    """Whether anything had to be put right. Raises `BrokenAnswer`."""
    choices = body.setdefault("choices", [])
    if not isinstance(choices, list):
        raise api.broken("choices that are none")
    changed = False
    for number, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise api.broken("choices that are none")
        changed = _mend_choice(choice, number, part, api) or changed
    return changed


def head(body: Json, new_id: Callable[[], str], clock: Callable[[], float]) -> bool:
    """Fills in `id` and `created`, and says whether there were none that can be kept."""
    whole = is_id(body.get("id")) and type(body.get("created")) is int
    if not whole:
        body["id"] = body["id"] if is_id(body.get("id")) else new_id()
        body["created"] = body["created"] if isinstance(body.get("created"), int) else int(clock())
    return not whole


def _mend_choice(choice: Json, number: int, part: Part, api: VendorApi) -> bool:
    changed = False
    if type(choice.get("index")) is not int:
        choice["index"], changed = number, True
    if choice.get("finish_reason") is not None and not is_id(choice["finish_reason"]):
        raise api.broken("a finish_reason that is none")
    if choice.get("logprobs") is not None:
        _check_logprobs(choice["logprobs"], api)
    for other in _OTHERS[part]:
        if other in choice:
            del choice[other]
            changed = True
    said = choice.get(part)
    if said is None and part != "message":
        choice[part], changed = ("" if part == "text" else {}), True
    elif not isinstance(said, str if part == "text" else dict):
        raise api.broken(f"a {part} that is none")
    elif isinstance(said, dict):
        changed = _mend_speech(said, api) or changed
    return changed


def _mend_speech(said: Json, api: VendorApi) -> bool:
    changed = _rename_reasoning(said)
    if isinstance(said.get("content"), list):
        _join_parts(said, api)
        changed = True
    for name in _TEXTS:
        text = said.get(name)
        if text is not None and not isinstance(text, str):
            raise api.broken("a text that is none")
    calls = said.get("tool_calls")
    if not calls:
        return changed
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise api.broken("tool calls that are none")
    for call in calls:
        changed = _mend_call(call, api) or changed
    return changed


def _rename_reasoning(said: Json) -> bool:
    """`reasoning` (Ollama, OpenRouter, vLLM) is `reasoning_content` here; says whether it was there."""
    if "reasoning" not in said or not isinstance(said["reasoning"], str):
        return False
    said.setdefault("reasoning_content", said.pop("reasoning"))
    return True


def _join_parts(said: Json, api: VendorApi) -> None:
    """Content in parts (Mistral), of which some are thoughts, as the texts they are."""
    texts, thoughts = [], []
    for part in said["content"]:
        if not isinstance(part, dict):
            raise api.broken("content that is none")
        if part.get("type") == "thinking":
            inner = part.get("thinking")
            thoughts += [inner] if isinstance(inner, str) else [_text_of(piece) for piece in inner or []]
        else:
            texts.append(_text_of(part))
    said["content"] = "".join(texts)
    if thoughts:
        said["reasoning_content"] = "".join(thoughts)


def _text_of(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""


def _mend_call(call: Json, api: VendorApi) -> bool:
    """Some servers send arguments as the object that they are."""
    function = call.get("function")
    if function is None:
        return False
    if not isinstance(function, dict) or not isinstance(function.get("name"), str | None):
        raise api.broken("a tool call that is none")
    if not isinstance(call.get("id"), str | None) or not isinstance(call.get("index"), int | None):
        raise api.broken("a tool call that is none")
    arguments = function.get("arguments")
    if isinstance(arguments, str | None):
        return False
    function["arguments"] = orjson.dumps(arguments).decode()
    return True


def _check_logprobs(given: Any, api: VendorApi) -> None:
    """A chat's lists of tokens, or a text's parallel lists."""
    if not isinstance(given, dict):
        raise api.broken("logprobs that are none")
    entries = [entry for name in ("content", "refusal") for entry in _list(given.get(name), api)]
    entries += [top for entry in entries if isinstance(entry, dict) for top in _list(entry.get("top_logprobs"), api)]
    if not all(isinstance(entry, dict) and {"token", "logprob"} <= entry.keys() for entry in entries):
        raise api.broken("logprobs that are none")
    for name in ("tokens", "token_logprobs"):
        _list(given.get(name), api)
    if not all(isinstance(top, dict | None) for top in _list(given.get("top_logprobs"), api)):
        raise api.broken("logprobs that are none")


def _list(value: Any, api: VendorApi) -> list[Any]:
    if not isinstance(value, list | None):
        raise api.broken("logprobs that are none")
    return value or []


def usage_of(usage: Any) -> Usage | None:
    """Reads OpenAI's `usage` and its dialects: DeepSeek's cache hits, and reasoning that is only in the total (xAI,
    Gemini) and here belongs to the completion. None for what is not to be believed."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
    unnamed = max(0, count(usage, "total_tokens") - prompt - completion)
    cached = written = reasoning = 0
    if details := usage.get("prompt_tokens_details"):
        cached, written = count(details, "cached_tokens"), count(details, "cache_write_tokens")
    if details := usage.get("completion_tokens_details"):
        reasoning = count(details, "reasoning_tokens")
    cached = cached or count(usage, "prompt_cache_hit_tokens")
    return believed(Usage(prompt, completion + unnamed, cached, written, reasoning or unnamed))

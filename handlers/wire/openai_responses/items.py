"""Input as clients write it, short or long, made into the items that core knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handlers.core.errors import Invalid, NotImplementedYet
from handlers.core.responses import Item

_PREFIXES = {
    "file_search_call": "fs",
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
}
_ROLES = ("system", "developer", "user", "assistant")
_TEXTS = ("input_text", "output_text", "text")
_IMAGES = ("input_image", "image_url")
_FILES = ("input_file", "file")


def read_items(given: Any, new_id: Callable[[str], str], param: str = "input") -> list[Item]:
    """`given` is a text, a list of items or None. Ids are kept, unless they repeat. Raises `Invalid` that names the
    item, and `NotImplementedYet` for items of tools that are not there."""
    entries = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    items: list[Item] = []
    ids: set[str] = set()
    for number, entry in enumerate(entries):
        item = _read(entry, f"{param}[{number}]")
        given_id = entry.get("id")
        fresh = isinstance(given_id, str) and given_id and given_id not in ids
        item["id"] = given_id if fresh else new_id(_PREFIXES[item["type"]])
        ids.add(item["id"])
        items.append(item)
    return items


def _read(entry: Mapping[str, Any], where: str) -> Item:
    kind = entry.get("type") or "message"
    if kind == "input_message":
        kind = "message"
    if kind == "message" and entry.get("role") == "tool":
        kind = "function_call_output"
    reader = _READERS.get(str(kind))
    if reader is None:
        raise NotImplementedYet(f"{where}: items of type {kind} are not available on this server", param=where)
    return {"id": "", "type": kind, "status": "completed", **reader(entry, where)}


def _message(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    role, content = entry.get("role") or "user", entry.get("content")
    if role not in _ROLES:
        raise _invalid(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        raise _invalid(f"{where}.content", "must be a text or a list of parts")
    return {"role": role, "content": [_part(part, role, f"{where}.content[{n}]") for n, part in enumerate(content)]}


def _part(part: Any, role: str, where: str) -> dict[str, Any]:
    """What a client's own message cites is not kept: it is nothing to a model."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if role == "assistant" and kind == "refusal":
        return {"type": "refusal", "refusal": _text(part, "refusal", where)}
    if kind in _TEXTS:
        text = _text(part, "text", where)
        if role == "assistant":
            return {"type": "output_text", "text": text, "annotations": []}
        return {"type": "input_text", "text": text}
    if role != "assistant" and kind in _IMAGES:
        return _image(part, where)
    if role != "assistant" and kind in _FILES:
        return _file(part, where)
    raise _invalid(where, f"is no content of the role {role}")


def _image(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    if part.get("image_url") is None and part.get("file_id"):
        raise NotImplementedYet(f"{where}: images by file_id are not available on this server", param=where)
    return {"type": "input_image", "image_url": _text(part, "image_url", where), "detail": _detail(part, where)}


def _detail(part: Mapping[str, Any], where: str) -> str:
    detail = part.get("detail") or "auto"
    if detail not in ("auto", "low", "high"):
        raise _invalid(f"{where}.detail", "must be auto, low or high")
    return str(detail)


def _file(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    if part.get("file_url"):
        raise NotImplementedYet(f"{where}: files by file_url are not available on this server", param=where)
    named = {name: part[name] for name in ("file_data", "file_id", "filename") if isinstance(part.get(name), str)}
    if "file_data" not in named and "file_id" not in named:
        raise _invalid(where, "needs file_data or file_id")
    return {"type": "input_file", **named}


def _function_call(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {name: _text(entry, name, where) for name in ("call_id", "name", "arguments")}


def _function_call_output(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Also a message of the role `tool`, as chats have it."""
    output = entry.get("output", entry.get("content"))
    call_id = entry.get("call_id") or entry.get("tool_call_id")
    if isinstance(output, list):
        output = "".join(_text(part, "text", f"{where}.output[{number}]") for number, part in enumerate(output))
    said = {"call_id": call_id, "output": output}
    return {name: _text(said, name, where) for name in said}


def _reasoning(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    summary = entry.get("summary") or []
    if not isinstance(summary, list):
        raise _invalid(f"{where}.summary", "must be a list of parts")
    parts = [{"type": "summary_text", "text": _text(p, "text", f"{where}.summary[{n}]")} for n, p in enumerate(summary)]
    return {"summary": parts}


def _file_search_call(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Of an answer that a client sends back: it is kept, and nothing to a model."""
    queries = entry.get("queries")
    if not isinstance(queries, list) or not all(isinstance(query, str) for query in queries):
        raise _invalid(f"{where}.queries", "must be a list of texts")
    results = entry.get("results")
    return {"queries": queries} | ({"results": results} if isinstance(results, list) else {})


def _text(holder: Any, name: str, where: str) -> str:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(value, str):
        raise _invalid(f"{where}.{name}", "must be a text")
    return value


def _invalid(where: str, said: str) -> Invalid:
    return Invalid(f"{where} {said}", param=where)


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
    "reasoning": _reasoning,
    "file_search_call": _file_search_call,
}

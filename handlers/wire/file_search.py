"""The `file_search` tool as requests name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from handlers.core.errors import Invalid
from handlers.core.file_search import FileSearch
from handlers.wire.vector_stores import read_search

TYPE = "file_search"
MODE = "hybrid"
_HOW: Mapping[str, Any] = {
    "max_num_results": int,
    "ranking_options": dict,
    "filters": (dict, list),
    "rewrite_query": bool,
}


def read(tools: Sequence[Mapping[str, Any]] | None, tool_choice: Any, resources: Any = None) -> FileSearch | None:
    """None when it is not among the tools. `resources` may name the stores in the tool's place:
    `{"file_search": {"vector_store_ids": [...]}}`. Raises `Invalid`."""
    given = [tool for tool in tools or [] if tool.get("type") == TYPE]
    if not given:
        if resources:
            raise Invalid("tool_resources are for the file_search tool, which is not among the tools", param="tools")
        return None
    if len(given) > 1:
        raise Invalid("there may be one file_search tool, with all vector_store_ids", param="tools")
    (tool,) = given
    nested = tool.get(TYPE)
    tool = {**tool, **nested} if isinstance(nested, Mapping) else tool
    held = resources.get(TYPE) if isinstance(resources, Mapping) else None
    ids = tool.get("vector_store_ids") or (held.get("vector_store_ids") if isinstance(held, Mapping) else None)
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise Invalid("file_search needs vector_store_ids, a list of ids", param="tools")
    for name, kind in _HOW.items():
        if tool.get(name) is not None and not isinstance(tool[name], kind):
            raise Invalid(f"file_search: {name} has the wrong type", param="tools")
    if isinstance(tool.get("max_num_results"), bool):
        raise Invalid("file_search: max_num_results must be an integer", param="tools")
    how = read_search({**{name: tool.get(name) for name in _HOW}, "query": "a question"}, MODE)
    return FileSearch(ids, replace(how, texts=()), is_forced=is_named(tool_choice))


def is_named(tool_choice: Any) -> bool:
    return isinstance(tool_choice, dict) and tool_choice.get("type") == TYPE

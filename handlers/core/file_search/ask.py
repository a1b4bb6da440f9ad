"""Where and how is to be searched, and the tool as a model sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.errors import CoreError, Invalid
from handlers.core.retrieval.searching import Attribute, Every, Filter, Hits, SearchAsk, Some, search_stores
from handlers.core.retrieval.stores import get_store

NAME = "file_search"
MOST_STORES = 20
MOST_QUERIES = 5
LONGEST_QUERY = 4000
TOOL = {
    "type": "function",
    "function": {
        "name": NAME,
        "description": "Searches the user's files. Answers passages, the best first, each with a mark to cite it by.",
        "parameters": {
            "type": "object",
            "properties": {
                "queries": {
                    "type": "array",
                    "items": {"type": "string"},
                    "minItems": 1,
                    "maxItems": MOST_QUERIES,
                    "description": "What to look for: one question, in one or several wordings.",
                }
            },
            "required": ["queries"],
            "additionalProperties": False,
        },
    },
}


@dataclass(frozen=True, slots=True)
class FileSearch:
    """`how` is a search without its texts; `is_forced` says that the model has to search before it answers."""

    store_ids: Sequence[str]
    how: SearchAsk
    shows_results: bool = False
    is_forced: bool = False


async def check(search: FileSearch, ask: ChatAsk, call: Call) -> None:
    """Raises `NotFound` for a store, and `Invalid`, before anything is used."""
    if not 0 < len(search.store_ids) <= MOST_STORES:
        raise Invalid(f"file_search needs 1 to {MOST_STORES} vector_store_ids", param="tools")
    names = [(tool.get("function") or {}).get("name") for tool in ask.options.get("tools") or []]
    if NAME in names:
        raise Invalid(f"a function cannot be called {NAME} beside the tool of that name", param="tools")
    if ask.choices > 1:
        raise Invalid("file_search gives one choice: n must be 1", param="n")
    for store_id in search.store_ids:
        await get_store(store_id, call)


def with_tool(search: FileSearch, ask: ChatAsk, messages: Sequence[Any], number: int, is_last: bool) -> ChatAsk:
    """What is asked in this round. A choice that forces a tool is for the first; in the last there is no search."""
    options = dict(ask.options)
    if number and options.get("tool_choice") != "none":
        options.pop("tool_choice", None)
    elif search.is_forced:
        options["tool_choice"] = {"type": "function", "function": {"name": NAME}}
    if not is_last:
        options["tools"] = [*(options.get("tools") or []), TOOL]
    return replace(ask, messages=[*ask.messages, *messages], options=options)


async def run(search: FileSearch, arguments: str, call: Call) -> tuple[Sequence[str], Hits | str]:
    """The queries, and what was found or why nothing could be."""
    queries = _queries(arguments)
    if not queries:
        return [], "The search needs queries: a list of texts."
    try:
        return queries, await search_stores(search.store_ids, replace(search.how, texts=queries), call)
    except Invalid as error:
        return queries, f"The search failed: {error.message}"
    except CoreError as error:
        if error.status != 404:
            raise
        return queries, f"The search failed: {error.message}"


def _queries(arguments: str) -> list[str]:
    try:
        said = orjson.loads(arguments or "{}")
    except ValueError:
        return []
    given = said.get("queries") if isinstance(said, dict) else None
    texts = given if isinstance(given, list) else [given]
    found = [text.replace("\0", "").strip()[:LONGEST_QUERY] for text in texts if isinstance(text, str)]
    return [text for text in found if text][:MOST_QUERIES]


def pack(search: FileSearch | None) -> dict[str, Any] | None:
    """As JSON."""
    if search is None:
        return None
    how = {name: getattr(search.how, name) for name in SearchAsk.__slots__}
    packed = how | {"filter": _pack_filter(search.how.filter), "texts": list(search.how.texts)}
    return asdict(replace(search, how=SearchAsk(texts=()))) | {"store_ids": list(search.store_ids), "how": packed}


def unpack(packed: Mapping[str, Any] | None) -> FileSearch | None:
    if packed is None:
        return None
    how = SearchAsk(**{**packed["how"], "filter": _unpack_filter(packed["how"]["filter"])})
    return FileSearch(**{**packed, "how": how})


def _pack_filter(filter: Filter | None) -> Any:
    if filter is None or isinstance(filter, Attribute):
        return filter and [filter.key, filter.comparison, filter.value]
    kind = "every" if isinstance(filter, Every) else "some"
    return {kind: [_pack_filter(one) for one in filter.filters]}


def _unpack_filter(packed: Any) -> Filter | None:
    if packed is None or isinstance(packed, list):
        return Attribute(*packed) if packed else None
    ((kind, filters),) = packed.items()
    made = [one for given in filters if (one := _unpack_filter(given)) is not None]
    return Every(made) if kind == "every" else Some(made)

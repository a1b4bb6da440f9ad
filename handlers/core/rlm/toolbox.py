"""The tools of a run: which it has, and their use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handlers.core.errors import CoreError, Invalid
from handlers.core.rlm.ask import RlmAsk
from handlers.core.rlm.calls import Frame, digest_of
from handlers.core.rlm.journal import TOOL
from handlers.core.routing import translate
from handlers.core.services import Services
from providers.errors import ProviderError

SEARCH, READ = "web_search", "browser_read_page"
TOOLS = (SEARCH, READ)
MOST_HITS = 20
USUAL_HITS = 5
MOST_CHARACTERS = 1_000_000
USUAL_CHARACTERS = 50_000
LONGEST_QUERY = 400

SETTINGS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    SEARCH: {"max_results": (1, MOST_HITS)},
    READ: {"max_characters": (100, MOST_CHARACTERS)},
}
"""What `tool_config` may say of each tool, and between which numbers."""

SPECIFICATIONS: Mapping[str, dict[str, Any]] = {
    SEARCH: {
        "name": SEARCH,
        "description": "Searches the web. Answers a list of pages: title, url, and an extract of the text.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
            "additionalProperties": False,
        },
    },
    READ: {
        "name": READ,
        "description": "Reads a page of the web. Answers its title and its text.",
        "parameters": {
            "type": "object",
            "properties": {"url": {"type": "string"}},
            "required": ["url"],
            "additionalProperties": False,
        },
    },
}


def pick_tools(ask: RlmAsk, services: Services) -> tuple[str, ...]:
    """The tools that the run has. Raises `Invalid` for one that this server does not have, and for a configuration that
    means nothing."""
    if ask.engine == "lambda" and ask.tool_config and ask.tools is None:
        raise _wrong("with the engine lambda, tool_config needs enabled_tools", "rlm.tool_config")
    tools = _default(ask, services) if ask.tools is None else tuple(dict.fromkeys(ask.tools))
    if SEARCH in tools and services.tools.search is None:
        message = f"{SEARCH} is not available: this server has no search engine"
        raise Invalid(message, code="tool_not_configured", param="rlm.enabled_tools")
    for name, settings in ask.tool_config.items():
        if name not in tools:
            raise _wrong(f"tool_config names {name}, which is not enabled", "rlm.tool_config")
        _check_settings(name, settings)
    return tools


def _default(ask: RlmAsk, services: Services) -> tuple[str, ...]:
    if ask.engine == "lambda":
        return ()
    return TOOLS if services.tools.search is not None else (READ,)


def _check_settings(name: str, settings: Any) -> None:
    where = f"rlm.tool_config.{name}"
    if not isinstance(settings, dict):
        raise _wrong(f"{where} must be an object", where)
    for key, value in settings.items():
        if key not in SETTINGS[name]:
            raise _wrong(f"{where} has no setting {key}; it has {', '.join(SETTINGS[name])}", where)
        least, most = SETTINGS[name][key]
        if type(value) is not int or not least <= value <= most:
            raise _wrong(f"{where}.{key} must be a whole number from {least} to {most}", where)


class Toolbox:
    """`names` are the tools that the run has."""

    def __init__(self, names: Sequence[str], frame: Frame) -> None:
        self.names = tuple(names)
        self._frame = frame
        self._tools = frame.call.services.tools

    @property
    def functions(self) -> list[dict[str, Any]]:
        """For a model that calls functions."""
        return [{"type": "function", "function": SPECIFICATIONS[name]} for name in self.names]

    async def use(self, name: str, argument: Any, place: str) -> Any:
        """Of `web_search` a list of objects, of `browser_read_page` a text. Raises `CoreError`."""
        if name not in self.names:
            raise Invalid(f"there is no tool {name}")
        if not isinstance(argument, str) or not argument.strip():
            raise Invalid(f"{name} takes a text")
        digest = digest_of([name, argument])
        kept = self._frame.journal.find(place, digest)
        if kept is not None:
            return kept
        uses: Mapping[str, Callable[[str], Any]] = {SEARCH: self._search, READ: self._read}
        try:
            value = await uses[name](argument)
        except ProviderError as error:
            raise _unlike_a_model(translate(error)) from error
        await self._frame.journal.note(TOOL, {"place": place, "digest": digest, "value": value})
        return value

    async def _search(self, query: str) -> list[dict[str, str]]:
        assert self._tools.search is not None
        most = self._setting(SEARCH, "max_results", USUAL_HITS)
        hits = await self._tools.search.search(query[:LONGEST_QUERY], most)
        return [{"title": hit.title, "url": hit.url, "text": hit.text} for hit in hits]

    async def _read(self, url: str) -> str:
        most = self._setting(READ, "max_characters", USUAL_CHARACTERS)
        page = await self._tools.pages.read(url)
        text = f"{page.title}\n\n{page.text}" if page.title else page.text
        return text if len(text) <= most else f"{text[:most]}\n[{len(text) - most} more characters]"

    def _setting(self, name: str, key: str, usual: int) -> int:
        return int(self._frame.ask.tool_config.get(name, {}).get(key, usual))


def _unlike_a_model(error: CoreError) -> CoreError:
    """What a page or a search engine answers is never the run's own end."""
    return Invalid(error.message, code="tool_failed")


def _wrong(message: str, param: str) -> Invalid:
    return Invalid(message, code="invalid_tool_config", param=param)

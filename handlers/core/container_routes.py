"""What it means to ask a container: `maniac:<label>`, or `maniac:<label>:<slug>` for a model attached to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from handlers.core.asks import AnyAsk, ChatAsk, Message
from handlers.core.call import Call
from handlers.core.catalog import fold
from handlers.core.errors import Invalid
from storage.repositories.containers import Container, Submodel

PREFIX = "maniac"
_PREFIXES = (f"{PREFIX}:", f"{PREFIX}/")
CHAT, TEXT = "chat.completions", "completions"
_SYSTEM = ("system", "developer")
_TWINS = (("max_tokens", "max_completion_tokens"), ("reasoning", "reasoning_effort"))
"""Two names for one wish: who gives the one does not want the default of the other."""


@dataclass(frozen=True, slots=True)
class Route:
    """A submodel's own defaults go before its container's."""

    container: Container
    submodel: Submodel | None = None

    @property
    def id(self) -> str:
        """What clients ask for."""
        slug = f":{self.submodel.slug}" if self.submodel else ""
        return f"{PREFIX}:{self.container.label}{slug}"

    @property
    def model(self) -> str:
        return self.submodel.model if self.submodel else self.container.model

    @property
    def options(self) -> dict[str, Any]:
        own = self.submodel.options if self.submodel else {}
        return fill_in(own, self.container.options)

    @property
    def parameters(self) -> dict[str, Any]:
        """The defaults as the client gave them."""
        own = self.submodel.default_parameters if self.submodel else None
        return {**(self.container.default_parameters or {}), **(own or {})}

    @property
    def system_prompt(self) -> str | None:
        own = self.submodel.default_system_prompt if self.submodel else None
        return self.container.default_system_prompt if own is None else own

    def apply(self, ask: AnyAsk) -> AnyAsk:
        """What the client asked, with what it left to the container. Raises `Invalid` for a container of another API
        than the one it is asked through."""
        wanted = CHAT if isinstance(ask, ChatAsk) else TEXT
        if self.container.api != wanted:
            message = f"container {self.container.label} is for {self.container.api}, not for {wanted}"
            raise Invalid(message, code="wrong_container_api", param="model")
        options = fill_in(ask.options, self.options)
        if isinstance(ask, ChatAsk):
            return replace(ask, options=options, messages=self._prompted(ask.messages))
        return replace(ask, options=options)

    def _prompted(self, messages: Sequence[Message]) -> list[Message]:
        """The client's own system prompt goes before the default one; examples stand between it and the rest."""
        lead = 0
        while lead < len(messages) and isinstance(messages[lead], dict) and messages[lead].get("role") in _SYSTEM:
            lead += 1
        system = list(messages[:lead])
        if not system and self.system_prompt:
            system = [{"role": "system", "content": self.system_prompt}]
        return [*system, *(self.container.default_few_shot_messages or []), *messages[lead:]]


def fill_in(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    given = set(options)
    for twins in _TWINS:
        if given.intersection(twins):
            given.update(twins)
    return {**{name: value for name, value in defaults.items() if name not in given}, **options}


def names_container(model_id: str) -> bool:
    return model_id.startswith(_PREFIXES)


async def find_route(model_id: str, call: Call) -> Route | None:
    """None when the project has no such container, or nothing attached to it by that slug."""
    if call.who is None or not names_container(model_id):
        return None
    _, label, slug = [*fold(model_id).split("/", 2), "", ""][:3]
    containers, project_id = call.services.containers, call.who.project_id
    container = await containers.find(project_id, label)
    if container is None or not slug:
        return Route(container) if container else None
    submodel = await containers.submodel(project_id, container.id, slug)
    return Route(container, submodel) if submodel else None

"""Containers: a model with defaults of its own, asked for by label."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.core.call import Call
from handlers.core.catalog import fold
from handlers.core.container_routes import PREFIX, Route, find_route, names_container
from handlers.core.errors import Conflict, Forbidden, Invalid, NotFound
from handlers.core.messages import check_messages
from handlers.core.models import Offer, find_model, may_use
from handlers.core.options import check_options
from storage.errors import StorageConflict
from storage.repositories.containers import Container, Submodel
from storage.tables.types import instant

__all__ = ["Attachment", "Container", "Defaults", "Draft", "Submodel"]

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """`parameters` are as the client gave them, `options` what they mean under OpenAI's names."""

    parameters: dict[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: str | None = None
    few_shot_messages: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    label: str
    model: str
    api: str
    defaults: Defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """`container` is a container's id or label."""

    container: str
    model: str
    slug: str
    defaults: Defaults


async def create_container(draft: Draft, call: Call) -> Container:
    """The same once more answers the container that is there. Raises `NotFound` and `Forbidden` for the model,
    `Invalid`, and `Conflict` for a label that is taken."""
    services, project_id = call.services, call.caller.project_id
    await _require_model(draft.model, "initial_model", call)
    if re.search("[/:]", draft.label):
        raise Invalid("label must not hold / or :, which lead on to attached models", param="label")
    _check_name("label", draft.label)
    _check_defaults(draft.defaults)
    container = Container(
        id=services.new_id("ctr"),
        project_id=project_id,
        label=draft.label,
        api=draft.api,
        initial_model=draft.model,
        created_at=instant(services.clock()),
        **_columns(draft.defaults),
        default_few_shot_messages=draft.defaults.few_shot_messages,
    )
    try:
        await services.containers.insert(container)
    except StorageConflict:
        return await _same(container, call)
    finally:
        services.container_lists.forget(project_id)
    return container


async def find_container(reference: str, call: Call) -> Container:
    """By label, `maniac:<label>` or id. Raises `NotFound`."""
    containers, project_id = call.services.containers, call.caller.project_id
    container = None
    if "\0" not in reference:
        label = fold(reference).removeprefix(f"{PREFIX}/")
        container = await containers.find(project_id, label) or await containers.get(project_id, reference)
    if container is None:
        raise no_container(reference, "container")
    return container


async def list_containers(call: Call, *, limit: int, offset: int) -> tuple[Sequence[Container], int]:
    """A page, newest first, and how many there are."""
    containers, project_id = call.services.containers, call.caller.project_id
    return await containers.list(project_id, limit=limit, offset=offset), await containers.count(project_id)


async def update_container(label: str, changes: Mapping[str, Any], call: Call) -> Container:
    """`changes` are columns of `Container`; what they do not name stays."""
    container = await find_container(label, call)
    if changes.get("default_model") is not None:
        await _require_model(changes["default_model"], "default_model", call)
    _check_defaults(
        Defaults(
            parameters=changes.get("default_parameters"),
            options=changes.get("options") or {},
            system_prompt=changes.get("default_system_prompt"),
            few_shot_messages=changes.get("default_few_shot_messages"),
        )
    )
    try:
        changed = await call.services.containers.change(container.project_id, container.id, dict(changes))
    finally:
        call.services.container_lists.forget(container.project_id)
    if changed is None:
        raise no_container(label, "label")
    return changed


async def delete_container(label: str, call: Call) -> Container:
    """Chats that went through it stay. Raises `NotFound`."""
    container = await find_container(label, call)
    now = instant(call.services.clock())
    try:
        if not await call.services.containers.delete(container.project_id, container.id, now):
            raise no_container(label, "label")
    finally:
        call.services.container_lists.forget(container.project_id)
    return container


async def attach_model(wish: Attachment, call: Call) -> tuple[Container, Submodel]:
    """Replaces what was attached under the same slug."""
    container = await find_container(wish.container, call)
    await _require_model(wish.model, "model", call)
    slug = fold(wish.slug)
    _check_name("slug", slug)
    _check_defaults(wish.defaults)
    services = call.services
    submodel = Submodel(
        id=services.new_id("model"),
        container_id=container.id,
        project_id=container.project_id,
        slug=slug,
        model=wish.model,
        created_at=instant(services.clock()),
        **_columns(wish.defaults),
    )
    return container, await services.containers.attach(submodel)


async def list_container_models(reference: str, call: Call) -> list[Offer]:
    """The attached models, newest first, then the container's own one; those that are gone are left out."""
    container = await find_container(reference, call)
    attached = await call.services.containers.submodels(container.project_id, container.id)
    wanted = [*(Route(container, submodel).id for submodel in attached), container.model]
    offers = [await find_model(model_id, call) for model_id in wanted]
    return [offer for offer in offers if offer is not None and may_use(offer.served.id, call)]


def no_container(name: str, param: str) -> NotFound:
    return NotFound(f"there is no container {name}", code="container_not_found", param=param)


async def missing_model(model_id: str, call: Call) -> NotFound:
    """What to say of a model that `find_model` does not find."""
    if names_container(model_id):
        label = fold(model_id).split("/")[1]
        if await find_route(f"{PREFIX}/{label}", call) is None:
            return no_container(model_id, "model")
    return NotFound(f"there is no model {model_id}", code="model_not_found", param="model")


async def _require_model(model_id: str, param: str, call: Call) -> None:
    offer = await find_model(model_id, call)
    if offer is None or offer.route is not None:
        raise NotFound(f"there is no model {model_id}", code="model_not_found", param=param)
    if not may_use(offer.model.id, call):
        raise Forbidden(f"this key may not use {model_id}", code="model_not_allowed", param=param)


async def _same(container: Container, call: Call) -> Container:
    known = await call.services.containers.find(container.project_id, container.label)
    mine = (container.api, container.initial_model, *_defaults_of(container))
    if known is None or (known.api, known.initial_model, *_defaults_of(known)) != mine:
        message = f"there is a container {container.label} already"
        raise Conflict(message, code="container_exists", param="label", headers={"x-should-retry": "false"})
    return known


def _defaults_of(container: Container) -> tuple[Any, ...]:
    return container.default_system_prompt, container.default_parameters, container.default_few_shot_messages


def _columns(defaults: Defaults) -> dict[str, Any]:
    return {
        "default_system_prompt": defaults.system_prompt,
        "default_parameters": defaults.parameters,
        "options": dict(defaults.options),
    }


def _check_name(param: str, name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Invalid(f"{param} must be 1 to {LONGEST_NAME} characters long", param=param)


def _check_defaults(defaults: Defaults) -> None:
    check_options(defaults.options)
    if defaults.few_shot_messages:
        check_messages(defaults.few_shot_messages)

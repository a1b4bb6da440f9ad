from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.maniac.routes import (
    ContainersCreateBody,
    ContainersDeleteParams,
    ContainersListParams,
    ContainersModelsAddBody,
    ContainersRetrieveParams,
    ContainersUpdateBody,
    ContainersUpdateParams,
)
from handlers.core import containers
from handlers.core.call import Call
from handlers.core.containers import Attachment, Container, Defaults, Draft
from handlers.maniac.defaults import typed_messages, vendor_options
from handlers.maniac.times import iso


async def containers_list(params: ContainersListParams, call: Call) -> dict[str, Any]:
    page, total = await containers.list_containers(call, limit=params.limit, offset=params.offset)
    return {"object": "list", "data": [_render(container, call) for container in page], "total": total}


async def containers_create(body: ContainersCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    draft = Draft(
        label=data["label"],
        model=data["initial_model"],
        api=data.get("api", "chat.completions"),
        defaults=_defaults(data),
    )
    return _render(await containers.create_container(draft, call), call)


async def containers_retrieve(params: ContainersRetrieveParams, call: Call) -> dict[str, Any]:
    return _render(await containers.find_container(params.label, call), call)


async def containers_update(params: ContainersUpdateParams, body: ContainersUpdateBody, call: Call) -> dict[str, Any]:
    """What the body leaves out stays; a null takes away, and for `default_model` leads back to the initial one."""
    data: dict[str, Any] = body.data
    defaults = _defaults(data)
    columns: dict[str, dict[str, Any]] = {
        "default_model": {"default_model": data.get("default_model")},
        "default_system_prompt": {"default_system_prompt": defaults.system_prompt},
        "default_parameters": {"default_parameters": defaults.parameters, "options": dict(defaults.options)},
        "default_few_shot_messages": {"default_few_shot_messages": defaults.few_shot_messages},
    }
    changes = {column: value for name in columns if name in data for column, value in columns[name].items()}
    return _render(await containers.update_container(params.label, changes, call), call)


async def containers_delete(params: ContainersDeleteParams, call: Call) -> dict[str, Any]:
    deleted = await containers.delete_container(params.label, call)
    return {"object": "container", "label": deleted.label, "deleted": True}


async def containers_models_add(body: ContainersModelsAddBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    wish = Attachment(container=data["container"], model=data["model"], slug=data["slug"], defaults=_defaults(data))
    container, submodel = await containers.attach_model(wish, call)
    return {
        "object": "model",
        "id": submodel.id,
        "container_id": container.id,
        "slug": submodel.slug,
        "container": container.label,
        "model": submodel.model,
        "default_parameters": submodel.default_parameters,
        "default_system_prompt": submodel.default_system_prompt,
    }


def _defaults(data: Mapping[str, Any]) -> Defaults:
    parameters = data.get("default_parameters")
    examples = data.get("default_few_shot_messages")
    return Defaults(
        parameters=parameters,
        options=vendor_options(parameters or {}),
        system_prompt=data.get("default_system_prompt"),
        few_shot_messages=None if examples is None else typed_messages(examples),
    )


def _render(container: Container, call: Call) -> dict[str, Any]:
    return {
        "id": container.id,
        "object": "container",
        "project_id": call.caller.project,
        "created_at": iso(container.created_at),
        "label": container.label,
        "api": container.api,
        "default_system_prompt": container.default_system_prompt,
        "default_parameters": container.default_parameters,
        "default_few_shot_messages": container.default_few_shot_messages,
        "initial_model": container.initial_model,
        "default_model": container.default_model,
        "deleted_at": False,
    }

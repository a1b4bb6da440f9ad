from __future__ import annotations

from typing import Any

from codegen.generated.maniac.routes import DatasetsCreateBody, DatasetsListParams, DatasetsRetrieveParams
from handlers.core import datasets
from handlers.core.call import Call
from handlers.core.containers import find_container
from handlers.core.datasets import Condition, Dataset, DatasetPage, NewBuilt
from handlers.maniac.times import iso


async def datasets_create(body: DatasetsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    new = NewBuilt(
        name=data["name"],
        container=data["container"],
        size=data["size"],
        description=data.get("description"),
        conditions=[Condition(one["key"], one["operator"], one.get("value")) for one in data.get("filters") or []],
        tags=data.get("tags"),
        metadata=data.get("metadata") or {},
    )
    made = await datasets.build(new, call)
    return {"id": made.id, "message": "The dataset is being built."}


async def datasets_list(params: DatasetsListParams, call: Call) -> dict[str, Any]:
    container = await find_container(params.container, call) if params.container is not None else None
    page = DatasetPage(params.limit, params.offset, container.id if container else None)
    found, total = await datasets.list_datasets(call, page)
    return {"object": "list", "data": [_render(dataset, call) for dataset in found], "total": total}


async def datasets_retrieve(params: DatasetsRetrieveParams, call: Call) -> dict[str, Any]:
    return _render(await datasets.get(params.dataset_id, call), call)


def _render(dataset: Dataset, call: Call) -> dict[str, Any]:
    """`size` is there once it is built."""
    about = dataset.about
    return {
        "id": dataset.id,
        "object": "dataset",
        "name": about.get("name") or dataset.id,
        "description": about.get("description"),
        "project_id": call.caller.project,
        "container_id": dataset.container_id,
        "requested_size": about.get("requested_size"),
        "size": dataset.size if dataset.built_at else None,
        "filters": about.get("filters"),
        "created_at": iso(dataset.created_at),
        "tags": about.get("tags"),
        "metadata": about.get("metadata") or {},
    }

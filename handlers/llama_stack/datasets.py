from __future__ import annotations

from typing import Any
from urllib.parse import quote

from codegen.generated.llama_stack.routes import DatasetsGetParams, DatasetsRegisterBody, DatasetsUnregisterParams
from handlers.core import datasets
from handlers.core.call import Call
from handlers.core.datasets import Dataset, NewDataset
from handlers.wire.llama import datasets as wire


async def datasets_list(call: Call) -> dict[str, Any]:
    found, _ = await datasets.list_datasets(call)
    return {"data": [_render(dataset, call) for dataset in found]}


async def datasets_get(params: DatasetsGetParams, call: Call) -> dict[str, Any] | None:
    """None, as the document allows, for a dataset that is not there."""
    found = await datasets.find(params.dataset_id, call)
    return _render(found, call) if found else None


async def datasets_register(body: DatasetsRegisterBody, call: Call) -> None:
    data: dict[str, Any] = body.data
    about = {
        "provider_id": data.get("provider_id"),
        "provider_resource_id": data.get("provider_dataset_id"),
        "metadata": data.get("metadata"),
    }
    new = NewDataset(id=data["dataset_id"], uri=data["url"]["uri"], columns=data["dataset_schema"], about=about)
    await datasets.register(new, call)


async def datasets_unregister(params: DatasetsUnregisterParams, call: Call) -> None:
    await datasets.unregister(params.dataset_id, call)


def _render(dataset: Dataset, call: Call) -> dict[str, Any]:
    rows = f"/v1/datasetio/rows?dataset_id={quote(dataset.id, safe='')}&rows_in_page=-1"
    return {
        **wire.common(dataset),
        "dataset_schema": dataset.about.get("columns") or {},
        "url": {"uri": wire.address(dataset, rows, call)},
    }

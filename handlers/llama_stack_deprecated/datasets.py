from __future__ import annotations

from typing import Any
from urllib.parse import quote

from codegen.generated.llama_stack_deprecated.routes import (
    DatasetsGetParams,
    DatasetsRegisterBody,
    DatasetsUnregisterParams,
)
from handlers.core import datasets
from handlers.core.call import Call
from handlers.core.datasets import Dataset, NewDataset
from handlers.wire.llama import datasets as wire


async def datasets_list(call: Call) -> dict[str, Any]:
    found, _ = await datasets.list_datasets(call)
    return {"data": [_render(dataset, call) for dataset in found]}


async def datasets_get(params: DatasetsGetParams, call: Call) -> dict[str, Any]:
    return _render(await datasets.get(params.dataset_id, call), call)


async def datasets_register(body: DatasetsRegisterBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    source = data["source"]
    new = NewDataset(
        id=data.get("dataset_id"),
        uri=source.get("uri"),
        rows=source.get("rows"),
        about={"purpose": data["purpose"], "metadata": data.get("metadata")},
    )
    return _render(await datasets.register(new, call), call)


async def datasets_unregister(params: DatasetsUnregisterParams, call: Call) -> None:
    await datasets.unregister(params.dataset_id, call)


def _render(dataset: Dataset, call: Call) -> dict[str, Any]:
    rows = dataset.about.get("rows")
    path = f"/v1/datasetio/iterrows/{quote(dataset.id)}"
    return {
        **wire.common(dataset),
        "purpose": dataset.about.get("purpose") or _purpose(dataset),
        "source": {"type": "rows", "rows": rows}
        if rows is not None
        else {"type": "uri", "uri": wire.address(dataset, path, call)},
    }


def _purpose(dataset: Dataset) -> str:
    """Of one that came by an API which knows none."""
    columns = dataset.about.get("columns") or {}
    is_chat = "filters" in dataset.about or "messages" in columns
    return "post-training/messages" if is_chat else "eval/question-answer"

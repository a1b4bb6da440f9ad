from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    DatasetRowsAppendBody,
    DatasetRowsAppendParams,
    DatasetRowsListParams,
)
from handlers.core import datasets
from handlers.core.call import Call
from handlers.wire.llama import datasets as wire
from handlers.wire.reply import Reply


async def dataset_rows_list(params: DatasetRowsListParams, call: Call) -> Reply:
    window = wire.window(params.start_index, params.limit, ("start_index", "limit"))
    dataset, rows = await datasets.read(params.dataset_id, window, call)
    return wire.page("data", rows, {"has_more": window.start + len(rows) < dataset.size})


async def dataset_rows_append(params: DatasetRowsAppendParams, body: DatasetRowsAppendBody, call: Call) -> None:
    data: dict[str, Any] = body.data
    await datasets.append(params.dataset_id, data["rows"], call)

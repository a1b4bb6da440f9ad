from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import DatasetRowsAppendBody, DatasetRowsListParams
from handlers.core import datasets
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.wire.llama import datasets as wire
from handlers.wire.reply import Reply


async def dataset_rows_list(params: DatasetRowsListParams, call: Call) -> Reply:
    """`total_count` is of the dataset; there is a `next_page_token`, a row's number, as long as there are more."""
    if params.filter_condition:
        raise Invalid("rows cannot be filtered here", code="filter_not_supported", param="filter_condition")
    window = wire.window(_start(params.page_token), params.rows_in_page, ("page_token", "rows_in_page"))
    dataset, rows = await datasets.read(params.dataset_id, window, call)
    after = window.start + len(rows)
    more: dict[str, Any] = {"total_count": dataset.size}
    if rows and after < dataset.size:
        more["next_page_token"] = str(after)
    return wire.page("rows", rows, more)


async def dataset_rows_append(body: DatasetRowsAppendBody, call: Call) -> None:
    data: dict[str, Any] = body.data
    await datasets.append(data["dataset_id"], data["rows"], call)


def _start(page_token: str | None) -> int | None:
    if not page_token:
        return None
    if not (page_token.isascii() and page_token.isdecimal() and len(page_token) < 16):
        raise Invalid("page_token must be the one of the page before", param="page_token")
    return int(page_token)

from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    FilesContentGetParams,
    FilesCreateBody,
    FilesDeleteParams,
    FilesGetParams,
    FilesListParams,
)
from handlers.core.call import Call
from handlers.core.files import File
from handlers.wire import openai_files as wire
from handlers.wire.reply import ByteStream

_PAGE = 10_000
_NEVER = 253_402_300_799
"""The end of the year 9999: the document has every file expire at some time."""


async def files_create(body: FilesCreateBody, call: Call) -> dict[str, Any]:
    return _render(await wire.create(body.data, call))


async def files_list(params: FilesListParams, call: Call) -> dict[str, Any]:
    """The newest first, unless asked otherwise."""
    page = wire.page(params.limit, params.after, params.purpose, default=_PAGE, order=params.order)
    found, has_more = await call.services.files.list(call.caller.project_id, page)
    return {
        "object": "list",
        "data": [_render(file) for file in found],
        "has_more": has_more,
        "first_id": found[0].id if found else "",
        "last_id": found[-1].id if found else "",
    }


async def files_get(params: FilesGetParams, call: Call) -> dict[str, Any]:
    return _render(await call.services.files.get(call.caller.project_id, params.file_id))


async def files_delete(params: FilesDeleteParams, call: Call) -> dict[str, Any]:
    await call.services.files.delete(call.caller.project_id, params.file_id)
    return {"id": params.file_id, "object": "file", "deleted": True}


async def files_content_get(params: FilesContentGetParams, call: Call) -> ByteStream:
    return await wire.content(params.file_id, call)


def _render(file: File) -> dict[str, Any]:
    return {**wire.render(file), "expires_at": int(file.expires_at.timestamp()) if file.expires_at else _NEVER}

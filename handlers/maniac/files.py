from __future__ import annotations

from typing import Any

from codegen.generated.maniac.routes import (
    FilesContentParams,
    FilesCreateBody,
    FilesDeleteParams,
    FilesListParams,
    FilesRetrieveParams,
)
from handlers.core.call import Call
from handlers.core.files import File, FilePage
from handlers.wire import openai_files as wire
from handlers.wire.reply import ByteStream


async def files_create(body: FilesCreateBody, call: Call) -> dict[str, Any]:
    return _render(await wire.create(body.data, call))


async def files_list(params: FilesListParams, call: Call) -> dict[str, Any]:
    """`after` is for OpenAI's clients, which page by it."""
    files, project_id = call.services.files, call.caller.project_id
    page = FilePage(limit=params.limit, offset=params.offset, after=params.after, purpose=params.purpose)
    found, _ = await files.list(project_id, page)
    return {
        "object": "list",
        "data": [_render(file) for file in found],
        "total": await files.count(project_id, params.purpose),
    }


async def files_retrieve(params: FilesRetrieveParams, call: Call) -> dict[str, Any]:
    return _render(await call.services.files.get(call.caller.project_id, params.file_id))


async def files_delete(params: FilesDeleteParams, call: Call) -> dict[str, Any]:
    await call.services.files.delete(call.caller.project_id, params.file_id)
    return {"id": params.file_id, "object": "file", "deleted": True}


async def files_content(params: FilesContentParams, call: Call) -> ByteStream:
    return await wire.content(params.file_id, call)


def _render(file: File) -> dict[str, Any]:
    return {**wire.render(file), "status": "uploaded", "status_details": None}

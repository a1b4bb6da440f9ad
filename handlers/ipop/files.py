from __future__ import annotations

from typing import Any

from codegen.generated.ipop.routes import (
    FilesContentGetParams,
    FilesCreateBody,
    FilesCreateParams,
    FilesDeleteParams,
    FilesGetParams,
    FilesListParams,
)
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.files import File, NewFile
from handlers.wire import openai_files as wire
from handlers.wire.reply import ByteStream
from handlers.wire.upload import RawBody

_PAGE = 100
_PURPOSES = (
    "batch", "batch_output", "batch_error", "fine-tune", "fine-tune-validation", "assistants", "vision", "user_data",
    "evals",
)  # fmt: skip
_PURPOSE = "user_data"
"""Of a file whose sender names none: OpenAI's word for a file that may serve any."""


async def files_create(params: FilesCreateParams, body: FilesCreateBody, call: Call) -> dict[str, Any]:
    """Raw octets are described by the query, a form by its fields."""
    purpose = _read_purpose(params.purpose or _PURPOSE)
    if not isinstance(body.data, RawBody):
        return _render(await wire.create(body.data, call, lambda said: _read_purpose(said or purpose)), call)
    described = NewFile(
        filename=params.filename or "upload",
        purpose=purpose,
        media_type=wire.media_type_of(body.data.media_type),
    )
    return _render(await call.services.files.create(call.caller.project_id, body.data.chunks, described), call)


async def files_list(params: FilesListParams, call: Call) -> dict[str, Any]:
    page = wire.page(params.limit, params.after, params.purpose, default=_PAGE)
    found, has_more = await call.services.files.list(call.caller.project_id, page)
    ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {}
    return {"object": "list", "data": [_render(file, call) for file in found], "has_more": has_more, **ends}


async def files_get(params: FilesGetParams, call: Call) -> dict[str, Any]:
    return _render(await call.services.files.get(call.caller.project_id, params.file_id), call)


async def files_delete(params: FilesDeleteParams, call: Call) -> None:
    await call.services.files.delete(call.caller.project_id, params.file_id)


async def files_content_get(params: FilesContentGetParams, call: Call) -> ByteStream:
    return await wire.content(params.file_id, call)


def _read_purpose(purpose: str) -> str:
    if purpose not in _PURPOSES:
        raise Invalid(f"purpose must be one of {', '.join(_PURPOSES)}", param="purpose")
    return purpose


def _render(file: File, call: Call) -> dict[str, Any]:
    """Beside the document's members those that OpenAI's clients look for."""
    return {
        **wire.render(file),
        "object_kind": "file",
        "owner_user_id": file.project_id,
        "project_id": call.caller.project,
        "sha256": file.sha256,
        "storage_uri": f"{call.services.base_paths['ipop']}/files/{file.id}/content",
        "created_at": file.created_at.isoformat(),
        "expires_at": file.expires_at.isoformat() if file.expires_at else None,
        "status": "processed",
    }

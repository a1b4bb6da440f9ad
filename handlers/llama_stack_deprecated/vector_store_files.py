from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    VectorStoreFilesContentGetParams,
    VectorStoreFilesCreateBody,
    VectorStoreFilesCreateParams,
    VectorStoreFilesDeleteParams,
    VectorStoreFilesGetParams,
    VectorStoreFilesListParams,
    VectorStoreFilesUpdateBody,
    VectorStoreFilesUpdateParams,
)
from handlers.core.call import Call
from handlers.core.retrieval import files
from handlers.core.retrieval.files import NewStoreFile, StoreFile
from handlers.core.retrieval.stores import get_store
from handlers.wire import vector_stores as wire


async def vector_store_files_create(
    params: VectorStoreFilesCreateParams, body: VectorStoreFilesCreateBody, call: Call
) -> dict[str, Any]:
    store, data = await get_store(params.vector_store_id, call), body.data
    strategy = wire.read_strategy(data.get("chunking_strategy"))
    new = NewStoreFile(data["file_id"], data.get("attributes") or {}, strategy)
    return render((await files.attach_files(store, [new], call))[0])


async def vector_store_files_list(params: VectorStoreFilesListParams, call: Call) -> dict[str, Any]:
    store = await get_store(params.vector_store_id, call)
    page = wire.page(params.limit, params.after, params.before, params.order)
    found, has_more = await files.list_files(store, page, call, status=wire.read_status(params.filter))
    return render_page(found, has_more)


async def vector_store_files_get(params: VectorStoreFilesGetParams, call: Call) -> dict[str, Any]:
    _, file = await files.store_and_file(params.vector_store_id, params.file_id, call)
    return render(file)


async def vector_store_files_update(
    params: VectorStoreFilesUpdateParams, body: VectorStoreFilesUpdateBody, call: Call
) -> dict[str, Any]:
    store = await get_store(params.vector_store_id, call)
    return render(await files.describe_file(store, params.file_id, body.data["attributes"], call))


async def vector_store_files_delete(params: VectorStoreFilesDeleteParams, call: Call) -> dict[str, Any]:
    store = await get_store(params.vector_store_id, call)
    file = await files.detach_file(store, params.file_id, call)
    return {"id": file.file_id, "object": "vector_store.file.deleted", "deleted": True}


async def vector_store_files_content_get(params: VectorStoreFilesContentGetParams, call: Call) -> dict[str, Any]:
    """A text for each chunk."""
    _, file = await files.store_and_file(params.vector_store_id, params.file_id, call)
    chunks = await files.read_chunks(file, call)
    return {
        "file_id": file.file_id,
        "filename": file.filename,
        "attributes": file.attributes,
        "content": [{"type": "text", "text": chunk.text} for chunk in chunks],
    }


def render(file: StoreFile) -> dict[str, Any]:
    """`id` is the file's, as Llama Stack has it; the attachment's own works in paths, too."""
    shown = {
        "id": file.file_id,
        "object": "vector_store.file",
        "attributes": file.attributes,
        "chunking_strategy": wire.render_strategy(file.strategy),
        "created_at": int(file.created_at.timestamp()),
        "status": file.status,
        "usage_bytes": file.usage_bytes,
        "vector_store_id": file.store_id,
    }
    if file.error_code is not None:
        code = "rate_limit_exceeded" if file.error_code == "rate_limit_exceeded" else "server_error"
        shown["last_error"] = {"code": code, "message": f"{file.error_code}: {file.error_message}"}
    return shown


def render_page(found: Any, has_more: bool) -> dict[str, Any]:
    shown = [render(file) for file in found]
    return {"object": "list", "data": shown, "has_more": has_more, **wire.ends([file["id"] for file in shown])}

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as NoBase64
from typing import Any

from codegen.generated.ipop.routes import (
    BoxDocumentsChunksGetParams,
    BoxDocumentsCreateBody,
    BoxDocumentsCreateParams,
    BoxDocumentsDeleteParams,
    BoxDocumentsGetParams,
    BoxDocumentsReindexParams,
    BoxDocumentsSourceGetParams,
    BoxGetParams,
    BoxQueryBody,
    BoxQueryParams,
)
from handlers.core.box import documents, questions, summary
from handlers.core.box.documents import Document, IndexingJob, Upload
from handlers.core.box.health import list_workers
from handlers.core.box.questions import Answered, Question, Source
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.ipop.moments import usd
from handlers.wire import openai_files
from handlers.wire.reply import ByteStream

FILE_TYPES = (".txt", ".md", ".html", ".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".json")
STATUSES = {"completed": "indexed", "failed": "failed", "cancelled": "failed"}


async def box_get(params: BoxGetParams, call: Call) -> dict[str, Any]:
    box = await documents.find_box(params.project_id, call)
    held = await documents.list_documents(box, call) if box else []
    workers = await list_workers(call)
    fresh = any(worker.is_fresh for worker in workers)
    state = "fresh" if fresh else "stale" if workers else "missing"
    return {
        "object": "box.summary",
        "project_id": params.project_id,
        "enabled": True,
        "limits": {
            "max_file_bytes": documents.LARGEST_BYTES,
            "max_documents_per_project": documents.MOST_DOCUMENTS,
            "max_chunks_per_document": documents.MOST_CHUNKS,
            "retrieval_top_k": questions.TOP_K,
            "supported_file_types": list(FILE_TYPES),
        },
        "usage": await _usage(held, call),
        "documents": [_document(document, params.project_id) for document in held],
        "recent_queries": [_asked(query) for query in await summary.recent_queries(call)],
        "worker_status": {"configured": bool(workers), "state": state, "fresh": fresh},
    }


async def box_documents_create(
    params: BoxDocumentsCreateParams, body: BoxDocumentsCreateBody, call: Call
) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    upload = Upload(data["filename"], await asyncio.to_thread(_decode, data["content_base64"]), data.get("mime_type"))
    document, is_known = await documents.add_document(params.project_id, upload, call)
    shown = _document(document, params.project_id)
    return {"object": "box.document_create", "document": shown, "duplicate": is_known}


async def box_documents_get(params: BoxDocumentsGetParams, call: Call) -> dict[str, Any]:
    document = await documents.get_document(params.project_id, params.document_id, call)
    found = await documents.find_job(document.file, call)
    return {
        "object": "box.document_detail",
        "document": _document(document, params.project_id),
        "jobs": [_job(found, document, params.project_id)] if found else [],
    }


async def box_documents_delete(params: BoxDocumentsDeleteParams, call: Call) -> dict[str, Any]:
    document = await documents.delete_document(params.project_id, params.document_id, call)
    return {**_document(document, params.project_id), "status": "deleted"}


async def box_documents_reindex(params: BoxDocumentsReindexParams, call: Call) -> dict[str, Any]:
    """Until it is done, the document is found as it was."""
    document = await documents.reindex_document(params.project_id, params.document_id, call)
    return _document(document, params.project_id)


async def box_documents_source_get(params: BoxDocumentsSourceGetParams, call: Call) -> ByteStream:
    document = await documents.get_document(params.project_id, params.document_id, call)
    return await openai_files.content(document.file.file_id, call)


async def box_documents_chunks_get(params: BoxDocumentsChunksGetParams, call: Call) -> dict[str, Any]:
    document, source = await questions.find_chunk(params.project_id, params.document_id, params.chunk_id, call)
    return {"object": "box.chunk", "document": _document(document, params.project_id), "chunk": _chunk(source)}


async def box_query(params: BoxQueryParams, body: BoxQueryBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    question = Question(data["question"], data.get("model"), data.get("top_k"))
    answered = await questions.answer_question(params.project_id, question, call)
    return {
        "object": "box.query",
        "id": answered.query.id,
        "answer": answered.query.answer,
        "citations": [_citation(source) for source in answered.cited],
        "retrieved_chunks": [_chunk(source) for source in answered.sources],
        "usage": _query_usage(answered),
        "created_at": answered.query.created_at.isoformat(),
    }


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (NoBase64, ValueError):
        raise Invalid("content_base64 is no base64", code="invalid_base64", param="content_base64") from None


async def _usage(held: Any, call: Call) -> dict[str, Any]:
    use = await summary.read_usage(held, call)
    return {
        "document_count": len(held),
        "storage_bytes": sum(document.file.size_bytes for document in held),
        "indexed_documents": sum(document.file.status == "completed" for document in held),
        "failed_documents": sum(document.file.status == "failed" for document in held),
        "chunk_count": sum(document.file.chunks for document in held),
        "extracted_bytes": use.extracted_bytes,
        "embedding_tokens": use.embedding_tokens,
        "query_count": use.totals.queries,
        "query_tokens": use.totals.tokens,
        "total_cost_usd": usd(use.cost_micros),
        "last_indexed_at": use.last_indexed_at.isoformat() if use.last_indexed_at else None,
    }


def _document(document: Document, project: str) -> dict[str, Any]:
    file = document.file
    return {
        "id": file.id,
        "project_id": project,
        "filename": file.filename,
        "mime_type": document.media_type,
        "size_bytes": file.size_bytes,
        "source_hash": document.source_hash,
        "status": STATUSES.get(file.status) or ("indexing" if document.is_running else "queued"),
        "chunk_count": file.chunks,
        "created_at": file.created_at.isoformat(),
        "updated_at": (file.indexed_at or file.created_at).isoformat(),
        "indexed_at": file.indexed_at.isoformat() if file.indexed_at else None,
        "error": file.error_message,
    }


def _job(found: IndexingJob, document: Document, project: str) -> dict[str, Any]:
    job, lease = found.job, found.lease_until
    updated_at = job.finished_at or job.started_at or job.created_at
    return {
        "id": job.id,
        "document_id": document.file.id,
        "project_id": project,
        "kind": job.kind,
        "status": job.state,
        "attempts": job.crashes + (job.started_at is not None),
        "max_attempts": documents.MOST_TRIES,
        "run_after": job.created_at.isoformat(),
        "lease_owner": job.process_id if lease else None,
        "lease_expires_at": lease.isoformat() if lease else None,
        "heartbeat_at": found.heartbeat_at.isoformat() if found.heartbeat_at else None,
        "error": document.file.error_message,
        "created_at": job.created_at.isoformat(),
        "updated_at": updated_at.isoformat(),
    }


def _chunk(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "document_id": source.file.id,
        "document_name": source.file.filename,
        "chunk_index": source.chunk.position,
        "text": source.chunk.text,
        "score": source.score,
        "token_count": source.chunk.tokens,
        "citation": _citation(source),
    }


def _citation(source: Source) -> dict[str, Any]:
    chunk = source.chunk
    return {
        "document_id": source.file.id,
        "document_name": source.file.filename,
        "chunk_id": source.id,
        "chunk_index": chunk.position,
        "page": None if chunk.page is None else str(chunk.page),
        "slide": chunk.slide,
        "sheet": chunk.sheet,
        "source_start": chunk.start,
        "source_end": chunk.stop,
    }


def _asked(query: Any) -> dict[str, Any]:
    return {
        "id": query.id,
        "question": query.question,
        "answer": query.answer,
        "retrieved_chunk_count": len(query.retrieved),
        "model_id": query.model,
        "total_tokens": query.tokens,
        "cost_usd": usd(query.cost_micros),
        "created_at": query.created_at.isoformat(),
    }


def _query_usage(answered: Answered) -> dict[str, Any]:
    searching, answering = answered.searching, answered.answering
    embedding_ms, chat_ms = (int(seconds * 1000) for seconds in answered.seconds)
    return {
        "embedding_model": answered.embedding_model,
        "chat_model": answered.query.model,
        "embedding_tokens": searching.prompt_tokens,
        "prompt_tokens": answering.prompt_tokens,
        "completion_tokens": answering.completion_tokens,
        "total_tokens": answered.query.tokens,
        "embedding_cost_usd": usd(searching.cost_micros),
        "chat_cost_usd": usd(answering.cost_micros),
        "cost_usd": usd(answered.query.cost_micros),
        "embedding_latency_ms": embedding_ms,
        "chat_latency_ms": chat_ms,
        "latency_ms": embedding_ms + chat_ms,
        "route_metadata": {"provider": answering.provider} if answering.provider else {},
    }

from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import RagContextQueryBody, RagDocumentsInsertBody
from handlers.core.batching import naming
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.parts import in_parts
from handlers.core.retrieval.chunking import Auto, Chunk
from handlers.core.retrieval.context import ask_for_query, fit
from handlers.core.retrieval.inserting import NewDocument, Passage, insert_documents
from handlers.core.retrieval.searching import Hit, SearchAsk, search_stores
from handlers.core.retrieval.sources import cut_address, cut_text, is_address
from handlers.core.retrieval.stores import get_store
from handlers.wire.llama import passages
from handlers.wire.llama.messages import chat_content, plain_text
from handlers.wire.llama.provider_data import key_wish

MOST_DOCUMENTS = 200
"""Put in by one request."""
MOST_DATABASES = 50
LARGEST_CHUNK_TOKENS = 32_768
OVERLAP = 4
"""A chunk repeats at most this part of the one before it."""
MAX_CHUNKS, MAX_TOKENS = 5, 4096


async def rag_documents_insert(body: RagDocumentsInsertBody, call: Call) -> None:
    """They are there when this is answered, all of them; one takes the place of what has its id."""
    data: dict[str, Any] = body.data
    store = await get_store(data["vector_db_id"], call)
    documents, size = data["documents"], data["chunk_size_in_tokens"]
    if not 0 < size <= LARGEST_CHUNK_TOKENS:
        message = f"chunk_size_in_tokens must be between 1 and {LARGEST_CHUNK_TOKENS}"
        raise Invalid(message, param="chunk_size_in_tokens")
    if len(documents) > MOST_DOCUMENTS:
        raise Invalid(f"there may be {MOST_DOCUMENTS} documents at once", param="documents")
    new = {}
    for number, document in enumerate(documents):
        with naming("documents", number):
            new[document["document_id"]] = await _read(document, Auto(size, size // OVERLAP), call)
    await insert_documents(store, list(new.values()), call)


async def rag_context_query(body: RagContextQueryBody, call: Call) -> dict[str, Any]:
    """Without `content` when nothing is found."""
    data: dict[str, Any] = body.data
    config = data.get("query_config") or {}
    most_tokens = config.get("max_tokens_in_context", MAX_TOKENS)
    if most_tokens < 1:
        raise Invalid("max_tokens_in_context must be at least 1", param="query_config")
    if len(data["vector_db_ids"]) > MOST_DATABASES:
        raise Invalid(f"there may be {MOST_DATABASES} vector databases at once", param="vector_db_ids")
    if not data["vector_db_ids"]:
        return {}
    with in_parts(call) as part:
        question = await _question(data["content"], config.get("query_generator_config") or {}, part())
        ask = SearchAsk(texts=[question], limit=config.get("max_chunks", MAX_CHUNKS))
        hits = await search_stores(data["vector_db_ids"], ask, part())
    texts = await fit([_result(number, hit) for number, hit in enumerate(hits.found, start=1)], most_tokens)
    if not texts:
        return {}
    framed = [f"The search found {len(texts)} passages.\n", *texts, "There is no more.\n"]
    return {"content": [{"type": "text", "text": text} for text in framed]}


async def _question(content: Any, generator: dict[str, Any], call: Call) -> str:
    parts = chat_content(content)
    texts = [parts] if isinstance(parts, str) else [part["text"] for part in parts if part["type"] == "text"]
    if not isinstance(parts, str) and len(texts) < len(parts):
        raise Invalid("a search takes no images", code="images_not_supported", param="content")
    if generator.get("type") != "llm":
        return str(generator.get("separator", " ")).join(texts)
    return await ask_for_query("\n".join(texts), generator["model"], generator["template"], call, key_wish(call))


async def _read(document: dict[str, Any], strategy: Auto, call: Call) -> NewDocument:
    metadata = {**document["metadata"], "document_id": document["document_id"]}
    cut = await _cut(document, strategy, call)
    return NewDocument([Passage(one, {"metadata": _described(one, metadata)}) for one in cut], document["document_id"])


async def _cut(document: dict[str, Any], strategy: Auto, call: Call) -> list[Chunk]:
    content, media_type = document["content"], document.get("mime_type")
    if isinstance(content, dict) and "uri" in content:
        return await cut_address(content["uri"], media_type, strategy, call)
    if isinstance(content, str) and is_address(content):
        return await cut_address(content, media_type, strategy, call)
    return await cut_text(plain_text(content, "documents", "documents take"), media_type, strategy, call)


def _described(cut: Chunk, metadata: dict[str, Any]) -> dict[str, Any]:
    place = {name: value for name in passages.PLACES if (value := getattr(cut, name)) is not None}
    return {**metadata, **place, "token_count": cut.tokens}


def _result(number: int, hit: Hit) -> str:
    """What a model needs to cite it, and the passage."""
    source = str(passages.metadata_of(hit).get("document_id", ""))
    where = "".join(f", {name} {value}" for name, value in passages.place_of(hit).items())
    return f"Passage {number}\nDocument: {source}{where}\nContent: {hit.chunk.text}\n"

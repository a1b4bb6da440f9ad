from __future__ import annotations

import base64

from tests.journeys.tours.tour import EMBEDDER, Tour
from tests.journeys.waiting import eventually


def tour_of_boxes(tour: Tour) -> None:
    path = "/projects/default/box"
    body = {"filename": "hours.txt", "content_base64": base64.b64encode(b"The museum opens at nine.").decode()}
    made = tour.ask("box_documents_create", "POST", f"{path}/documents", body)["document"]
    one = f"{path}/documents/{made['id']}"

    def look() -> bool:
        return bool(tour.ask("box_documents_get", "GET", one)["document"]["status"] == "indexed")

    eventually(look)
    assert made["id"] in [document["id"] for document in tour.ask("box_get", "GET", path)["documents"]]
    answer = tour.ask("box_query", "POST", f"{path}/query", {"question": "When does it open?"})
    chunk = answer["retrieved_chunks"][0]
    shown = tour.ask("box_documents_chunks_get", "GET", f"{one}/chunks/{chunk['id']}")
    assert shown["chunk"]["text"] == chunk["text"]
    assert tour.send("box_documents_source_get", "GET", f"{one}/source").content == b"The museum opens at nine."
    tour.ask("box_documents_reindex", "POST", f"{one}/reindex")
    eventually(look)
    assert tour.ask("box_documents_delete", "DELETE", one)["status"] == "deleted"
    assert tour.oversee("admin_box_health_get", "GET", "/admin/box/health")["fresh_worker_count"] == 1
    assert tour.oversee("admin_box_readiness_get", "GET", "/admin/box/readiness")["ready"] is True


def tour_of_vector_dbs(tour: Tour) -> None:
    made = {"vector_db_id": "tour/guides", "embedding_model": EMBEDDER}
    shown = tour.ask("vector_dbs_register", "POST", "/v1/vector-dbs", made)
    assert tour.ask("vector_dbs_get", "GET", "/v1/vector-dbs/tour/guides") == shown
    assert shown in tour.ask("vector_dbs_list", "GET", "/v1/vector-dbs")["data"]
    chunk = {"content": "The museum opens at nine.", "metadata": {"document_id": "hours"}}
    inserted = {"vector_db_id": "tour/guides", "chunks": [chunk]}
    tour.ask("vector_chunks_insert", "POST", "/v1/vector-io/insert", inserted)
    asked = {"vector_db_id": "tour/guides", "query": "When does it open?"}
    assert tour.ask("vector_chunks_query", "POST", "/v1/vector-io/query", asked)["chunks"] == [chunk]
    document = {"document_id": "fees", "content": "Entry is free on Sundays.", "metadata": {}}
    inserted = {"vector_db_id": "tour/guides", "documents": [document], "chunk_size_in_tokens": 128}
    tour.ask("rag_documents_insert", "POST", "/v1/tool-runtime/rag-tool/insert", inserted)
    asked = {"vector_db_ids": ["tour/guides"], "content": "What does entry cost?"}
    context = tour.ask("rag_context_query", "POST", "/v1/tool-runtime/rag-tool/query", asked)["content"]
    assert any("free on Sundays" in item["text"] for item in context)
    tour.ask("vector_dbs_unregister", "DELETE", "/v1/vector-dbs/tour/guides")

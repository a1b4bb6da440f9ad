"""Run by `llama-stack-client` 0.1.1: base URL and key in, one JSON object out."""

import json
import sys

from llama_stack_client import LlamaStackClient
from llama_stack_client.types import Document

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, max_retries=0, default_headers={"Authorization": f"Bearer {key}"})

made = client.vector_dbs.register(vector_db_id="guides", embedding_model="local/all-minilm-l6-v2")
shown = client.vector_dbs.retrieve("guides")
client.vector_io.insert(
    vector_db_id="guides",
    chunks=[{"content": "The museum opens at nine.", "metadata": {"document_id": "hours"}}],
)
found = client.vector_io.query(vector_db_id="guides", query="When does it open?", params={"max_chunks": 1})
client.tool_runtime.rag_tool.insert(
    documents=[
        Document(document_id="fees", content="Entry is free on Sundays.", mime_type="text/plain", metadata={"a": 1}),
        Document(document_id="dogs", content="data:text/plain,Dogs%20stay%20outside.", metadata={}),
    ],
    vector_db_id="guides",
    chunk_size_in_tokens=128,
)
context = client.tool_runtime.rag_tool.query(
    vector_db_ids=["guides"],
    content="May dogs come in?",
    query_config={
        "query_generator_config": {"type": "default", "separator": " "},
        "max_tokens_in_context": 1000,
        "max_chunks": 1,
    },
)
listed = [one.identifier for one in client.vector_dbs.list()]
client.vector_dbs.unregister("guides")
print(
    json.dumps(
        {
            "made": [made.identifier, made.embedding_dimension],
            "shown": shown.embedding_model,
            "listed": listed,
            "found": [[chunk.content, chunk.metadata] for chunk in found.chunks],
            "scores": found.scores,
            "context": "".join(item.text for item in context.content),
            "gone": client.vector_dbs.retrieve("guides") is None,
        }
    )
)

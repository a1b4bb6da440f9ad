"""Run by `llama-stack-client` 0.2.23: base URL and key in, one JSON object out."""

import json
import sys
import time

from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, api_key=key, max_retries=0)
stores = client.vector_stores

store = stores.create(name="mine", extra_body={"embedding_model": "local/all-minilm-l6-v2"})
texts = {"cats.txt": b"A cat sleeps for most of the day.", "tea.txt": b"Tea is made of the leaves of a shrub."}
files = [client.files.create(file=(name, text), purpose="assistants").id for name, text in texts.items()]
stores.files.create(vector_store_id=store.id, file_id=files[0], attributes={"kind": "pet"})
stores.files.create(vector_store_id=store.id, file_id=files[1])
deadline = time.monotonic() + 60
while (seen := stores.retrieve(vector_store_id=store.id)).file_counts.in_progress:
    assert time.monotonic() < deadline
    time.sleep(0.1)
found = stores.search(vector_store_id=store.id, query="felines", max_num_results=1)
pets = stores.search(
    vector_store_id=store.id, query="tea", search_mode="hybrid", filters={"type": "eq", "key": "kind", "value": "pet"}
)
content = stores.files.content(files[1], vector_store_id=store.id)
deleted = stores.delete(vector_store_id=store.id)
print(
    json.dumps(
        {
            "completed": seen.file_counts.completed,
            "found": [hit.filename for hit in found.data],
            "pets": [hit.filename for hit in pets.data],
            "content": str(content),
            "deleted": deleted.deleted,
        }
    )
)

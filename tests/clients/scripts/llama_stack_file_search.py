"""Run by `llama-stack-client` 0.2.23: base URL and key in, one JSON object out."""

import json
import sys
import time

from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, api_key=key, max_retries=0)

file = client.files.create(file=("hours.txt", b"The museum opens at nine.", "text/plain"), purpose="assistants")
store = client.vector_stores.create(name="guides", file_ids=[file.id])
deadline = time.monotonic() + 60
while client.vector_stores.retrieve(store.id).file_counts.completed < 1 and time.monotonic() < deadline:
    time.sleep(0.1)
asked = {
    "model": "simulator/chat",
    "input": "Use file_search: when does it open?",
    "tools": [{"type": "file_search", "vector_store_ids": [store.id]}],
}
response = client.responses.create(**asked, include=["file_search_call.results"])
search, message = response.output
events = list(client.responses.create(**asked, stream=True))
citation = message.content[0].annotations[0]
print(
    json.dumps(
        {
            "search": [search.type, search.status],
            "results": [[found.filename, found.text] for found in search.results],
            "citation": [citation.type, citation.filename],
            "streamed": [item.type for item in events[-1].response.output],
        }
    )
)

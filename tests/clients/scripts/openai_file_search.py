"""Run by `openai`: base URL and key in, one JSON object out."""

import json
import sys

from openai import OpenAI

base_url, key = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key=key, max_retries=0)

store = client.vector_stores.create(name="guides")
client.vector_stores.files.upload_and_poll(
    vector_store_id=store.id, file=("hours.txt", b"The museum opens at nine.", "text/plain")
)
asked = {
    "model": "simulator/chat",
    "input": "When does it open?",
    "tools": [{"type": "file_search", "vector_store_ids": [store.id], "max_num_results": 3}],
    "tool_choice": {"type": "file_search"},
    "include": ["file_search_call.results"],
}
response = client.responses.create(**asked)
search, message = response.output
kinds, ended = [], None
for event in client.responses.create(**asked, stream=True):
    kinds.append(event.type)
    ended = event
citation = message.content[0].annotations[0]
print(
    json.dumps(
        {
            "search": [search.type, search.status],
            "results": [[found.filename, found.text] for found in search.results],
            "text": response.output_text,
            "citation": [citation.type, citation.filename],
            "kinds": kinds,
            "streamed": [item.type for item in ended.response.output],
        }
    )
)

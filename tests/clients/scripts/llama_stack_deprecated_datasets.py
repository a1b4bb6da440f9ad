"""Run by `llama-stack-client` 0.2.23: base URL and key in, one JSON object out."""

import base64
import json
import sys

import llama_stack_client
from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, api_key=key, max_retries=0)


def gone(dataset_id):
    try:
        client.datasets.retrieve(dataset_id)
    except llama_stack_client.NotFoundError:
        return True
    return False


rows = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(5)]
given = client.datasets.register(purpose="eval/question-answer", source={"type": "rows", "rows": rows})
text = base64.b64encode("\n".join(map(json.dumps, rows)).encode()).decode()
named = client.datasets.register(
    purpose="eval/question-answer",
    source={"type": "uri", "uri": f"data:application/jsonl;base64,{text}"},
    metadata={"from": "here"},
)
client.datasets.appendrows(named.identifier, rows=[{"question": "q5", "answer": "a5"}])
page = client.datasets.iterrows(named.identifier, start_index=4, limit=1)
rest = client.datasets.iterrows(named.identifier, start_index=5)
listed = [dataset.identifier for dataset in client.datasets.list()]
client.datasets.unregister(given.identifier)
print(
    json.dumps(
        {
            "page": [page.data, page.has_more],
            "rest": [rest.data, rest.has_more],
            "listed": {given.identifier, named.identifier} <= set(listed),
            "shown": [named.metadata, client.datasets.retrieve(named.identifier).source.type],
            "gone": gone(given.identifier),
        }
    )
)

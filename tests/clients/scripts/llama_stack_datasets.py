"""Run by `llama-stack-client` 0.1.1: base URL and key in, one JSON object out."""

import base64
import json
import sys
import uuid

from llama_stack_client import LlamaStackClient, NotFoundError

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, max_retries=0, default_headers={"Authorization": f"Bearer {key}"})
dataset_id = f"test::{uuid.uuid4().hex}"
text = "input_query,expected_answer\n" + "".join(f"q{n},a{n}\n" for n in range(5))
columns = {name: {"type": "string"} for name in ("input_query", "expected_answer")}


def missing():
    try:
        client.datasetio.get_rows_paginated(dataset_id="none", rows_in_page=1)
    except NotFoundError:
        return True
    return False


client.datasets.register(
    dataset_id=dataset_id,
    dataset_schema=columns,
    url={"uri": "data:text/csv;base64," + base64.b64encode(text.encode()).decode()},
)
client.datasetio.append_rows(dataset_id=dataset_id, rows=[{"input_query": "q5", "expected_answer": "a5"}])
first = client.datasetio.get_rows_paginated(dataset_id=dataset_id, rows_in_page=4)
rest = client.datasetio.get_rows_paginated(dataset_id=dataset_id, rows_in_page=4, page_token=first.next_page_token)
whole = client.datasetio.get_rows_paginated(dataset_id=dataset_id, rows_in_page=-1)
known = client.datasets.retrieve(dataset_id)
listed = [dataset.identifier for dataset in client.datasets.list()]
client.datasets.unregister(dataset_id)
print(
    json.dumps(
        {
            "pages": [len(first.rows), first.total_count, len(rest.rows), rest.next_page_token],
            "whole": [row["expected_answer"] for row in whole.rows],
            "columns": sorted(known.dataset_schema),
            "listed": dataset_id in listed,
            "gone": client.datasets.retrieve(dataset_id) is None,
            "missing": missing(),
        }
    )
)

"""Run by the `maniac` package: base URL and key in, one JSON object out."""

import json
import sys
import time
import uuid

import maniac

base_url, key = sys.argv[1:]
client = maniac.Maniac(api_key=key, base_url=base_url, max_retries=0)
label = f"support-{uuid.uuid4().hex[:8]}"


def plain(answer):
    return answer if isinstance(answer, dict) else answer.model_dump()


def built(dataset_id):
    while (found := plain(client.datasets.retrieve(dataset_id)))["size"] is None:
        time.sleep(0.05)
    return found


client.containers.create(label=label, initial_model="simulator/chat")
for n in range(3):
    client.chat.completions.create(
        model=f"maniac:{label}", messages=[{"role": "user", "content": f"{n}"}], metadata={"n": n}, store=True
    )
filters = [{"key": "n", "operator": "greater_than", "value": 0}]
made = plain(client.datasets.create(name="test", container=label, size=10, filters=filters, tags=["t"]))
found = built(made["id"])
listed = plain(client.datasets.list(container=label))
print(
    json.dumps(
        {
            "found": [found["name"], found["size"], found["requested_size"], found["tags"]],
            "listed": [dataset["id"] for dataset in listed["data"]] == [made["id"]],
            "total": listed["total"],
        }
    )
)

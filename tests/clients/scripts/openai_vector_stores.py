"""Run by the `openai` package: base URL and key in, one JSON object out."""

import json
import sys
import time

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
stores = client.vector_stores


def wait(store_id, file_id):
    deadline = time.monotonic() + 60
    while (found := stores.files.retrieve(file_id, vector_store_id=store_id)).status == "in_progress":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found.status


made = [stores.create(name=f"store {n}").id for n in range(3)]
texts = {"cats.txt": b"A cat sleeps for most of the day.", "tea.txt": b"Tea is made of the leaves of a shrub."}
files = [client.files.create(file=(name, text), purpose="assistants").id for name, text in texts.items()]
attached = [stores.files.create(made[0], file_id=file_id).id for file_id in files]
statuses = [wait(made[0], name) for name in attached]
found = [hit.filename for hit in stores.search(made[0], query="what do felines do?", max_num_results=1)]
renamed = stores.update(made[0], name="renamed").name
paged = [store.id for store in stores.list(limit=2)]
listed = [file.id for file in stores.files.list(made[0], limit=1)]
stores.files.delete(attached[0], vector_store_id=made[0])
deleted = stores.delete(made[2])
print(
    json.dumps(
        {
            "made": made,
            "statuses": statuses,
            "found": found,
            "renamed": renamed,
            "paged": paged,
            "is_listed": listed == attached[::-1],
            "left": len([file.id for file in stores.files.list(made[0])]),
            "deleted": [deleted.id, deleted.deleted],
        }
    )
)

"""Run by `llama-stack-client` 0.2.23: base URL and key in, one JSON object out."""

import json
import sys

import llama_stack_client
from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, api_key=key, max_retries=0)


def gone(file_id):
    try:
        client.files.retrieve(file_id)
    except llama_stack_client.NotFoundError:
        return True
    return False


made = [client.files.create(file=(f"{n}.txt", b"hello %d" % n), purpose="assistants") for n in range(3)]
wish = {"expires_after": {"anchor": "created_at", "seconds": 3600}}
short = client.files.create(file=("short.txt", b"x"), purpose="assistants", extra_body=wish)
retrieved = client.files.retrieve(made[1].id)
paged = [file.id for file in client.files.list(limit=2, purpose="assistants", order="asc")]
content = client.files.content(made[1].id)
deleted = client.files.delete(made[1].id)
print(
    json.dumps(
        {
            "made": [file.id for file in made],
            "short": [short.id, short.expires_at - short.created_at],
            "paged": paged,
            "retrieved": [retrieved.filename, retrieved.bytes, retrieved.purpose],
            "content": content if isinstance(content, str) else str(content),
            "deleted": deleted.deleted,
            "gone": gone(made[1].id),
        }
    )
)

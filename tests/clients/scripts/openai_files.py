"""Run by the `openai` package: base URL and key in, one JSON object out."""

import json
import sys

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
content = bytes(range(256)) * 10_000


def gone(file_id):
    try:
        client.files.retrieve(file_id)
    except openai.NotFoundError:
        return True
    return False


made = [client.files.create(file=(f"{n}.bin", content + b"%d" % n), purpose="batch") for n in range(3)]
retrieved = client.files.retrieve(made[1].id)
read = client.files.content(made[1].id).content
paged = [file.id for file in client.files.list(limit=2, purpose="batch")]
client.files.delete(made[1].id)
print(
    json.dumps(
        {
            "made": [file.id for file in made],
            "retrieved": [retrieved.id, retrieved.filename, retrieved.bytes, retrieved.purpose, retrieved.object],
            "is_whole": read == content + b"1",
            "paged": paged,
            "gone": gone(made[1].id),
            "left": [file.id for file in client.files.list()],
        }
    )
)

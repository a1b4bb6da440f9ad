"""Run by the `maniac` package: base URL and key in, one JSON object out."""

import io
import json
import sys

import maniac

base_url, key = sys.argv[1:]
client = maniac.Maniac(api_key=key, base_url=base_url, max_retries=0)
TEXT = b'{"messages": []}\n' * 3


def plain(answer):
    return answer if isinstance(answer, dict) else answer.model_dump()


def create(name):
    file = io.BytesIO(TEXT)
    file.name = name
    return plain(client.files.create(file, "fine-tune"))


def gone(file_id):
    try:
        client.files.retrieve(file_id)
    except maniac.ManiacError:
        return True
    return False


before = plain(client.files.list(purpose="fine-tune"))["total"]
made = [create(f"{n}.jsonl") for n in range(3)]
page = plain(client.files.list(purpose="fine-tune", limit=2, offset=1))
retrieved = plain(client.files.retrieve(made[0]["id"]))
content = client.files.content(made[0]["id"])
deleted = plain(client.files.delete(made[0]["id"]))
print(
    json.dumps(
        {
            "made": [file["id"] for file in made],
            "page": [file["id"] for file in page["data"]],
            "total": page["total"] - before,
            "retrieved": [retrieved["filename"], retrieved["bytes"], retrieved["purpose"]],
            "content": content.decode() if isinstance(content, bytes) else str(content),
            "deleted": deleted["deleted"],
            "gone": gone(made[0]["id"]),
        }
    )
)

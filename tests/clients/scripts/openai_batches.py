"""Run by the `openai` package: base URL and key in, one JSON object out."""

import io
import json
import sys
import time

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)


def row(custom_id, model="simulator/chat"):
    body = {"model": model, "messages": [{"role": "user", "content": custom_id}]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def started(*rows):
    text = "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("in.jsonl", io.BytesIO(text)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )


def ended(batch):
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    return batch


def lines(file_id):
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


done = ended(started(row("a"), row("b", "no/such"), row("c")))
wrong = ended(started(row("a"), row("a")))
long = started(*(row(str(n)) for n in range(3000)))
asked = client.batches.cancel(long.id)
print(
    json.dumps(
        {
            "done": [done.status, done.object, done.metadata, done.request_counts.to_dict()],
            "output": [[line["custom_id"], line["response"]["status_code"]] for line in lines(done.output_file_id)],
            "errors": [[line["custom_id"], line["response"]["status_code"]] for line in lines(done.error_file_id)],
            "wrong": [wrong.status, wrong.errors.data[0].code, wrong.errors.data[0].line],
            "asked": asked.status,
            "cancelled": ended(long).status,
            "made": [long.id, wrong.id, done.id],
            "listed": [batch.id for batch in client.batches.list(limit=2)][:3],
        }
    )
)

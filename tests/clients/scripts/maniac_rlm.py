"""Run by the `maniac` package: base URL and key in, one JSON object out."""

import json
import sys
import time

import maniac

base_url, key = sys.argv[1:]
client = maniac.Maniac(api_key=key, base_url=base_url, max_retries=0)


def plain(answer):
    return answer if isinstance(answer, dict) else answer.model_dump()


def create(**options):
    return plain(client.rlm.responses.create(model="simulator/chat", **options))


def retrieve(response_id):
    return plain(client.rlm.responses.retrieve(response_id))


def ended(response_id):
    deadline = time.monotonic() + 60
    while (found := retrieve(response_id))["status"] == "in_progress" and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def refused(**options):
    try:
        create(**options)
    except maniac.BadRequestError:
        return True
    return False


made = create(input="a word " * 50_000, instructions="How many words?", rlm={"engine": "lambda"}, metadata={"a": "b"})
begun = create(input=[{"role": "user", "content": "Hello"}], rlm={"engine": "lambda"}, background=True)
try:
    retrieve("resp_none")
    missing = False
except maniac.NotFoundError:
    missing = True

print(
    json.dumps(
        {
            "made": made,
            "again": retrieve(made["id"]),
            "begun": begun["status"],
            "ended": ended(begun["id"]),
            "failed": create(input="Hello", rlm={"engine": "classic", "max_iterations": 2}),
            "refused": [refused(input="x", stream=True), refused(input="x", store=True), refused(input="")],
            "missing": missing,
        }
    )
)

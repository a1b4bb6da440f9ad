"""Run by the `openai` package against IPOP, what other APIs do not have: base URL and key in, one JSON object out."""

import json
import sys

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)


def cancelled():
    """Status after a stream was cancelled that had begun, and what its last event says."""
    stream = client.responses.create(model="simulator/slow-100ms", input="word " * 100, stream=True)
    response_id = next(iter(stream)).response.id
    return [client.responses.cancel(response_id).status, list(stream)[-1].response.status]


counted = client.responses.input_tokens.count(model="simulator/chat", input="What is a concordat?")
print(
    json.dumps(
        {
            "model": client.models.retrieve("openai/gpt-5.5").id,
            "counted": counted.input_tokens,
            "used": client.responses.create(model="simulator/chat", input="What is a concordat?").usage.input_tokens,
            "cancelled": cancelled(),
        }
    )
)

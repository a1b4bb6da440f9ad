"""Run by the `openai` package: base URL and key in, one JSON object out."""

import json
import sys
import time

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
MODEL = "simulator/chat"


def polled(response):
    deadline = time.monotonic() + 60
    while response.status in ("queued", "in_progress") and time.monotonic() < deadline:
        time.sleep(0.1)
        response = client.responses.retrieve(response.id)
    return response


def error_of(act):
    try:
        act()
    except openai.APIStatusError as error:
        return error.status_code
    return None


made = client.responses.create(model=MODEL, input="What is a concordat?", metadata={"for": "a test"})
with client.responses.stream(model=MODEL, input="What is a concordat?") as told:
    events = list(told)
    final = told.get_final_response()
second = client.responses.create(model=MODEL, input="And then?", previous_response_id=made.id)

queued = client.responses.create(model=MODEL, input="What is a concordat?", background=True)
hanging = client.responses.create(model="simulator/hang", input="Hello?", background=True)
cancelled = client.responses.cancel(hanging.id)

stream = client.responses.create(
    model="simulator/slow-20ms", input="What is a concordat?", background=True, stream=True
)
first = []
for event in stream:
    first.append(event)
    if event.sequence_number == 6:
        break
stream.close()
rest = list(client.responses.retrieve(first[0].response.id, stream=True, starting_after=first[-1].sequence_number))
numbers = [event.sequence_number for event in [*first, *rest]]

items = [item.to_dict() for item in client.responses.input_items.list(second.id, order="asc")]
client.responses.delete(second.id)

print(
    json.dumps(
        {
            "whole": made.output_text,
            "status": made.status,
            "usage": [made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens],
            "metadata": made.metadata,
            "retrieved": client.responses.retrieve(made.id).output_text,
            "streamed": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
            "final": final.output_text,
            "continues": second.previous_response_id == made.id,
            "second": second.output_text,
            "items": items,
            "deleted": error_of(lambda: client.responses.retrieve(second.id)),
            "queued": queued.status,
            "polled": [polled(queued).status, polled(queued).output_text],
            "cancelled": [cancelled.status, polled(hanging).status],
            "numbers": numbers,
            "resumed": "".join(e.delta for e in [*first, *rest] if e.type == "response.output_text.delta"),
            "last": [rest[-1].type, rest[-1].response.output_text],
            "not_stored": error_of(
                lambda: client.responses.create(model=MODEL, input="hi", background=True, store=False)
            ),
        }
    )
)

"""Run by `llama-stack-client` 0.2.23: base URL and key in, one JSON object out."""

import json
import sys

import llama_stack_client
from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]
client = LlamaStackClient(base_url=base_url, api_key=key, max_retries=0)


def chat(text, **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="simulator/chat", messages=messages, **options)


def complete(**options):
    return client.completions.create(model="simulator/chat", prompt="Once upon a time", **options)


def native_models():
    """`/v1/models` is not in the document, but this client asks for it."""
    try:
        return [model.identifier for model in client.models.list()]
    except llama_stack_client.APIStatusError as error:
        return [f"answered {error.status_code}"]


def missing(act):
    try:
        act()
    except llama_stack_client.NotFoundError as error:
        return error.status_code
    return None


def respond(text, **options):
    return client.responses.create(model="simulator/chat", input=text, **options)


def text_of(response):
    return "".join(part.text for item in response.output if item.type == "message" for part in item.content)


response = respond("What is a concordat?")
events = list(respond("What is a concordat?", stream=True))
second = respond("And then?", previous_response_id=response.id)
gone = respond("To be deleted.")
client.responses.delete(gone.id)
responses = {
    "whole": text_of(response),
    "retrieved": text_of(client.responses.retrieve(response.id)),
    "streamed": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
    "last": events[-1].type,
    "continues": second.previous_response_id == response.id,
    "listed": [one.id for one in client.responses.list(limit=2).data] == [second.id, events[-1].response.id],
    "items": [item.role for item in client.responses.input_items.list(response.id).data],
    "gone": missing(lambda: client.responses.retrieve(gone.id)),
}

kept = chat("Keep this.")
found = client.chat.completions.retrieve(kept.id)
stored = {
    "listed": kept.id in [one.id for one in client.chat.completions.list(limit=5, order="desc")],
    "asked": [message.content for message in found.input_messages],
    "same": found.choices[0].message.content == kept.choices[0].message.content,
    "missing": missing(lambda: client.chat.completions.retrieve("chatcmpl-none")),
}

embedded = client.embeddings.create(model="local/all-minilm-l6-v2", input=["hello", "hello", "goodbye"])
chunks = list(chat("What is a concordat?", stream=True))
try:
    LlamaStackClient(base_url=base_url, api_key="wrong", max_retries=0).models.openai.list()
    wrong_key = None
except llama_stack_client.AuthenticationError as error:
    wrong_key = error.status_code

print(
    json.dumps(
        {
            "models": native_models(),
            "openai_models": [model.id for model in client.models.openai.list()],
            "whole": chat("What is a concordat?").choices[0].message.content,
            "other": chat("Name a river.").choices[0].message.content,
            "streamed": "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices),
            "finish_reason": [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1],
            "completed": complete().choices[0].text,
            "completed_streamed": "".join(choice.text for chunk in complete(stream=True) for choice in chunk.choices),
            "embeddings": [entry.embedding for entry in embedded.data],
            "responses": responses,
            "stored": stored,
            "wrong_key": wrong_key,
        }
    )
)

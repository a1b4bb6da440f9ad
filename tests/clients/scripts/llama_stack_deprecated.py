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


def stored_chats():
    made = [chat("Name a river."), chat("Name a lake.")]
    newest = next(iter(client.chat.completions.list(limit=1)))
    shown = client.chat.completions.retrieve(made[0].id)
    return {
        "newest": newest.id == made[1].id,
        "all": {one.id for one in made} <= {one.id for one in client.chat.completions.list(limit=1)},
        "answer": shown.choices[0].message.content == made[0].choices[0].message.content,
        "input": shown.input_messages[0].content,
    }


def responses():
    first = client.responses.create(model="simulator/chat", input="What is a concordat?")
    events = list(
        client.responses.create(
            model="simulator/chat", input="And a treaty?", previous_response_id=first.id, stream=True
        )
    )
    second = events[-1].response
    listed = [one.id for one in client.responses.list(limit=1)]
    said = first.output[0].content[0].text
    answers = {
        "said": said,
        "types": [event.type for event in events],
        "deltas": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "text": second.output[0].content[0].text,
        "previous": second.previous_response_id == first.id,
        "kept": client.responses.retrieve(first.id).output[0].content[0].text == said,
        "listed": {first.id, second.id} <= set(listed),
        "asked": [item.content[0].text for item in client.responses.input_items.list(second.id).data],
        "deleted": client.responses.delete(second.id).deleted,
    }
    try:
        client.responses.retrieve(second.id)
    except llama_stack_client.NotFoundError as error:
        answers["gone"] = error.status_code
    return answers


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
            "stored": stored_chats(),
            "responses": responses(),
            "embeddings": [entry.embedding for entry in embedded.data],
            "wrong_key": wrong_key,
        }
    )
)

"""Run by `llama-stack-client` 0.1.1: base URL and key in, one JSON object out."""

import json
import sys

import llama_stack_client
from llama_stack_client import LlamaStackClient

base_url, key = sys.argv[1:]


def connect(with_key):
    return LlamaStackClient(base_url=base_url, max_retries=0, default_headers={"Authorization": f"Bearer {with_key}"})


client = connect(key)


def chat(text, **options):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return client.inference.chat_completion(model_id="simulator/chat", messages=messages, **options)


def complete(**options):
    return client.inference.completion(model_id="simulator/chat", content="Once upon a time", **options)


def batches():
    user = [{"role": "user", "content": "What is a concordat?"}]
    chats = client.batch_inference.chat_completion(model="simulator/chat", messages_batch=[user, user])
    texts = client.batch_inference.completion(model="simulator/chat", content_batch=["Once upon a time"])
    return {
        "chats": [answer.completion_message.content for answer in chats.batch],
        "texts": [answer.content for answer in texts.batch],
        "alone": client.inference.chat_completion(model_id="simulator/chat", messages=user).completion_message.content,
    }


def tool_call():
    """As the deltas of a stream tell it."""
    parameters = {"city": {"param_type": "string", "required": True}}
    stream = chat(
        "Will it rain?",
        tools=[{"tool_name": "forecast", "parameters": parameters}],
        tool_choice="required",
        stream=True,
    )
    deltas = [chunk.event.delta for chunk in stream]
    calls = [delta for delta in deltas if delta.type == "tool_call"]
    return {
        "statuses": [delta.parse_status for delta in calls],
        "name": calls[-1].tool_call.tool_name,
        "arguments": calls[-1].tool_call.arguments,
    }


def structured():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    answer = chat("Where?", response_format={"type": "json_schema", "json_schema": schema})
    return json.loads(answer.completion_message.content)


client.models.register(model_id="my/alias", provider_model_id="chat", provider_id="simulator", metadata={})
registered = client.models.retrieve("my/alias")
client.models.unregister("my/alias")
try:
    connect("wrong").models.list()
    wrong_key = None
except llama_stack_client.AuthenticationError as error:
    wrong_key = error.status_code

embedded = client.inference.embeddings(
    model_id="local/all-minilm-l6-v2", contents=["hello", {"type": "text", "text": "hello"}, "goodbye"]
)
events = [chunk.event for chunk in chat("What is a concordat?", stream=True)]
print(
    json.dumps(
        {
            "models": [[model.identifier, model.api_model_type] for model in client.models.list()],
            "registered": [registered.identifier, registered.provider_id],
            "gone": client.models.retrieve("my/alias") is None,
            "whole": chat("What is a concordat?").completion_message.content,
            "other": chat("Name a river.").completion_message.content,
            "event_types": [event.event_type for event in events],
            "streamed": "".join(event.delta.text for event in events),
            "stop_reason": events[-1].stop_reason,
            "completed": complete().content,
            "completed_streamed": "".join(chunk.delta for chunk in complete(stream=True)),
            "batches": batches(),
            "tool_call": tool_call(),
            "structured": structured(),
            "providers": [provider.provider_id for provider in client.providers.list()],
            "routes": [route.route for route in client.routes.list()],
            "embeddings": embedded.embeddings,
            "health": client.inspect.health().status,
            "version": client.inspect.version().version,
            "wrong_key": wrong_key,
        }
    )
)

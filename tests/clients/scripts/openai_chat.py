"""Run by the `openai` package: base URL and key in, one JSON object out."""

import json
import sys

import openai

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)


def ask(text, **options):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return client.chat.completions.create(model="simulator/chat", messages=messages, **options)


whole = ask("What is a concordat?")
chunks = list(ask("What is a concordat?", stream=True, stream_options={"include_usage": True}))
weather = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
tool = {"type": "function", "function": {"name": "forecast", "parameters": weather}}
called = ask("Will it rain in Ghent?", tools=[tool], tool_choice="required").choices[0]

try:
    stranger = openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0)
    stranger.chat.completions.create(model="simulator/chat", messages=[{"role": "user", "content": "hi"}])
    wrong_key = None
except openai.AuthenticationError as error:
    wrong_key = error.status_code

try:
    client.chat.completions.create(model="no/such-model", messages=[{"role": "user", "content": "hi"}])
    unknown_model = None
except openai.APIStatusError as error:
    unknown_model = error.status_code

print(
    json.dumps(
        {
            "models": [model.id for model in client.models.list()],
            "whole": whole.choices[0].message.content,
            "finish_reason": whole.choices[0].finish_reason,
            "usage": whole.usage.model_dump() if whole.usage else None,
            "other": ask("Name a river.").choices[0].message.content,
            "chunks": len(chunks),
            "streamed": "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices),
            "streamed_usage": [chunk.usage.total_tokens for chunk in chunks if chunk.usage],
            "tool": called.message.tool_calls[0].function.name,
            "arguments": json.loads(called.message.tool_calls[0].function.arguments),
            "tool_finish_reason": called.finish_reason,
            "wrong_key": wrong_key,
            "unknown_model": unknown_model,
        }
    )
)

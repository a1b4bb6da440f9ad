"""Run by the `maniac` package: base URL and key in, one JSON object out."""

import json
import sys

import maniac

base_url, key = sys.argv[1:]
client = maniac.Maniac(api_key=key, base_url=base_url, max_retries=0)


def ask(text, **options):
    return client.chat.completions.create(
        model="simulator/chat", messages=[{"role": "user", "content": text}], **options
    )


def plain(answer):
    return answer if isinstance(answer, dict) else answer.model_dump()


def content(chunk):
    return "".join(choice["delta"].get("content") or "" for choice in json.loads(chunk)["choices"])


def container():
    """All that there is to do with one."""
    made = plain(client.containers.create(label="library", initial_model="simulator/chat"))
    client.containers.update("library", default_system_prompt="Be a librarian.")
    shown = plain(client.containers.retrieve("library"))
    added = plain(client.models.add(container="library", model="openai/gpt-5.5", slug="big"))
    models = plain(client.models.list(container="library"))
    item = {"input": {"messages": [{"role": "user", "content": "Hi"}]}, "output": {"id": "elsewhere", "choices": []}}
    registered = plain(client.chat.completions.register(container="library", items=[item]))
    client.containers.delete("library")
    return {
        "same": shown["id"] == made["id"] == added["container_id"],
        "prompt": shown["default_system_prompt"],
        "slugs": [model["slug"] for model in models["data"]],
        "inserted": registered["summary"]["inserted"],
        "registered": plain(client.chat.completions.retrieve("elsewhere"))["container"],
    }


def filtered():
    """Chats by their metadata, which goes as the body of a GET, and traces."""
    made = plain(ask("Name a lake.", metadata={"lake": "yes"}, tags=["a"], trace={"id": "lakes", "span_id": "one"}))
    found = plain(client.chat.completions.list(metadata={"lake": "yes"}))
    return {
        "found": [chat["id"] for chat in found["data"]] == [made["id"]],
        "tags": plain(client.chat.completions.retrieve(made["id"]))["tags"],
        "traces": [trace["id"] for trace in plain(client.traces.list())["data"]],
        "spans": [span["span_id"] for span in plain(client.traces.retrieve("lakes"))["spans"]],
    }


def fallback():
    messages = [{"role": "user", "content": "Hi"}]
    answered = client.chat.completions.create(model="simulator/error-500", models=["simulator/chat"], messages=messages)
    return plain(answered)["model"]


def chats_of_a_container():
    client.containers.create(label="pirates", initial_model="simulator/chat", default_system_prompt="Be a pirate.")
    made = plain(
        client.chat.completions.create(model="maniac:pirates", messages=[{"role": "user", "content": "Hello"}])
    )
    listed = plain(client.chat.completions.list(container="pirates"))
    return {
        "container": made["container"],
        "answer": made["choices"][0]["message"]["content"],
        "told": plain(
            client.chat.completions.create(
                model="simulator/chat",
                messages=[{"role": "system", "content": "Be a pirate."}, {"role": "user", "content": "Hello"}],
            )
        )["choices"][0]["message"]["content"],
        "made": [made["id"]],
        "listed": [chat["id"] for chat in listed["data"]],
        "total": listed["total"],
        "labels": [container["label"] for container in plain(client.containers.list())["data"]],
        "deleted": plain(client.containers.delete("pirates"))["deleted"],
    }


events = list(ask("What is a concordat?", stream=True))
try:
    maniac.Maniac(api_key="wrong", base_url=base_url, max_retries=0).models.list()
    wrong_key = False
except maniac.AuthenticationError:
    wrong_key = True

print(
    json.dumps(
        {
            "models": plain(client.models.list()),
            "page": plain(client.models.list(limit=2, offset=1)),
            "whole": plain(ask("What is a concordat?"))["choices"][0]["message"]["content"],
            "colon": plain(
                client.chat.completions.create(
                    model="simulator:chat", messages=[{"role": "user", "content": "What is a concordat?"}]
                )
            )["choices"][0]["message"]["content"],
            "events": events,
            "streamed": "".join(content(event) for event in events if event.strip() != "[DONE]"),
            "wrong_key": wrong_key,
            "container": container(),
            "filtered": filtered(),
            "fallback": fallback(),
            "pirates": chats_of_a_container(),
        }
    )
)

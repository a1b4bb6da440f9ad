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
            "pirates": chats_of_a_container(),
        }
    )
)

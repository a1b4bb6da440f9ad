"""A container answers as its model does when it is told what the container adds."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.journeys.dialects import payloads

CONTAINERS = "/maniac/v1/containers"
CHAT = "/maniac/v1/chat/completions"
MODELS = "/maniac/v1/models"
MODEL, OTHER_MODEL = "simulator/chat", "claude-sonnet-4.6"
PROMPT = "You are a pirate."
EXAMPLES = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"}]


@pytest.fixture
def label(client: httpx.Client) -> Iterator[str]:
    """A free label; its container is gone afterwards."""
    chosen = f"c-{uuid.uuid4().hex[:8]}"
    yield chosen
    client.delete(f"{CONTAINERS}/{chosen}")


def create(client: httpx.Client, label: str, **more: Any) -> dict[str, Any]:
    made = client.post(CONTAINERS, json={"label": label, "initial_model": MODEL} | more)
    assert made.status_code == 201, made.text
    container: dict[str, Any] = made.json()
    return container


def user(text: str = "Hello") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def system(text: str = PROMPT) -> list[dict[str, Any]]:
    return [{"role": "system", "content": text}]


def ask(client: httpx.Client, model: str, messages: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    answer = client.post(CHAT, json={"model": model, "messages": messages or user()} | more)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


def said(client: httpx.Client, *args: Any, **more: Any) -> str:
    text: str = ask(client, *args, **more)["choices"][0]["message"]["content"]
    return text


def fails(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_container_is_made_read_changed_listed_and_deleted(client: httpx.Client, label: str) -> None:
    parameters = {"max_tokens": 5, "reasoning": {"effort": "low"}}
    made = create(client, label, default_system_prompt=PROMPT, default_parameters=parameters)
    assert (made["label"], made["initial_model"], made["api"]) == (label, MODEL, "chat.completions")
    assert (made["default_system_prompt"], made["default_parameters"]) == (PROMPT, parameters)
    assert client.get(f"{CONTAINERS}/{label}").json() == made
    changed = client.patch(f"{CONTAINERS}/{label}", json={"default_system_prompt": None}).json()
    assert changed == made | {"default_system_prompt": None}
    listed = client.get(CONTAINERS, params={"limit": 1}).json()
    assert listed["data"] == [changed]
    assert client.delete(f"{CONTAINERS}/{label}").json() == {"object": "container", "label": label, "deleted": True}
    assert client.get(CONTAINERS).json()["total"] == listed["total"] - 1
    fails(client.get(f"{CONTAINERS}/{label}"), 404, "CONTAINER_NOT_FOUND")
    fails(client.delete(f"{CONTAINERS}/{label}"), 404, "CONTAINER_NOT_FOUND")
    assert create(client, label)["id"] != made["id"]


def test_making_the_same_container_again_answers_it_and_another_of_its_label_is_refused(
    client: httpx.Client, label: str
) -> None:
    made = create(client, label, default_system_prompt=PROMPT)
    assert create(client, label, default_system_prompt=PROMPT) == made
    again = client.post(CONTAINERS, json={"label": label, "initial_model": MODEL})
    fails(again, 409, "CONTAINER_EXISTS")
    assert again.headers["x-should-retry"] == "false"


def test_what_cannot_be_a_container_is_refused(client: httpx.Client, label: str) -> None:
    fails(client.post(CONTAINERS, json={"label": label, "initial_model": "no/such"}), 404, "MODEL_NOT_FOUND")
    fails(client.post(CONTAINERS, json={"label": "a/b", "initial_model": MODEL}), 400, "INVALID_REQUEST")
    fails(client.post(CONTAINERS, json={"label": " ", "initial_model": MODEL}), 400, "INVALID_REQUEST")
    create(client, label)
    fails(client.patch(f"{CONTAINERS}/{label}", json={"default_model": "no/such"}), 404, "MODEL_NOT_FOUND")
    nested = client.post(CONTAINERS, json={"label": f"{label}-2", "initial_model": f"maniac:{label}"})
    fails(nested, 404, "MODEL_NOT_FOUND")


@pytest.mark.parametrize("prefix", ["maniac:", "maniac/"])
def test_its_prompt_and_examples_are_part_of_the_conversation(client: httpx.Client, label: str, prefix: str) -> None:
    create(client, label, default_system_prompt=PROMPT, default_few_shot_messages=EXAMPLES)
    name = prefix + label
    answer = ask(client, name)
    assert (answer["model"], answer["container"]) == (MODEL, label)
    expected = said(client, MODEL, [*system(), *EXAMPLES, *user()])
    assert answer["choices"][0]["message"]["content"] == expected
    assert expected != said(client, MODEL)
    own = system("Be brief.")
    assert said(client, name, [*own, *user()]) == said(client, MODEL, [*own, *EXAMPLES, *user()])


def test_its_parameters_hold_unless_the_client_says_otherwise(client: httpx.Client, label: str) -> None:
    create(client, label, default_parameters={"max_tokens": 2.0, "n": 2})
    choices = ask(client, f"maniac:{label}")["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["length", "length"]
    choices = ask(client, f"maniac:{label}", max_completion_tokens=500, n=1)["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["stop"]


def test_a_changed_model_answers_from_then_on(client: httpx.Client, label: str) -> None:
    create(client, label)
    client.patch(f"{CONTAINERS}/{label}", json={"default_model": OTHER_MODEL})
    assert ask(client, f"maniac:{label}")["model"] == OTHER_MODEL
    client.patch(f"{CONTAINERS}/{label}", json={"default_model": None})
    assert ask(client, f"maniac:{label}")["model"] == MODEL


def test_it_streams_what_it_answers_whole(client: httpx.Client, label: str) -> None:
    create(client, label, default_system_prompt=PROMPT)
    body = {"model": f"maniac:{label}", "messages": user(), "stream": True}
    with client.stream("POST", CHAT, json=body) as answer:
        events = [httpx.Response(200, text=text).json() for text in payloads(answer.iter_lines()) if text != "[DONE]"]
    text = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    assert text == said(client, MODEL, [*system(), *user()])
    assert {event["model"] for event in events} == {MODEL}


def test_an_attached_model_is_asked_by_its_slug_and_has_defaults_of_its_own(client: httpx.Client, label: str) -> None:
    made = create(client, label, default_system_prompt=PROMPT)
    wish = {"model": OTHER_MODEL, "container": label, "slug": "team:sonnet"}
    attached = client.post(MODELS, json=wish).json()
    assert (attached["container_id"], attached["container"], attached["model"]) == (made["id"], label, OTHER_MODEL)
    name = f"maniac:{label}:team/sonnet"
    assert ask(client, name)["model"] == OTHER_MODEL
    assert said(client, name) == said(client, OTHER_MODEL, [*system(), *user()])
    again = client.post(MODELS, json=wish | {"container": made["id"], "default_system_prompt": "Sing."}).json()
    assert again["id"] == attached["id"]
    assert said(client, name) == said(client, OTHER_MODEL, [*system("Sing."), *user()])
    unknown = client.post(CHAT, json={"model": f"maniac:{label}:nobody", "messages": user()})
    fails(unknown, 404, "MODEL_NOT_FOUND")
    listed = client.get(MODELS, params={"container": label}).json()
    assert [(model["id"], model["slug"]) for model in listed["data"]] == [
        (f"maniac:{label}:team/sonnet", "team/sonnet"),
        (MODEL, MODEL),
    ]
    assert listed["total"] == 2


def test_fallbacks_may_be_containers_and_each_is_asked_in_its_own_way(client: httpx.Client, label: str) -> None:
    create(client, label, default_system_prompt=PROMPT)
    answer = ask(client, "simulator/error-500", models=[f"maniac:{label}"])
    assert (answer["model"], answer["container"]) == (MODEL, label)
    assert answer["choices"][0]["message"]["content"] == said(client, MODEL, [*system(), *user()])
    client.patch(f"{CONTAINERS}/{label}", json={"default_model": "simulator/error-500"})
    answer = ask(client, f"maniac:{label}", models=[MODEL])
    assert answer["container"] is None
    assert answer["choices"][0]["message"]["content"] == said(client, MODEL)


def test_a_container_of_another_api_is_not_for_chats(client: httpx.Client, label: str) -> None:
    create(client, label, api="embeddings")
    fails(client.post(CHAT, json={"model": f"maniac:{label}", "messages": user()}), 400, "WRONG_CONTAINER_API")


def test_a_project_does_not_see_the_containers_of_another(
    client: httpx.Client, other: httpx.Client, label: str
) -> None:
    made = create(client, label)
    for reference in (label, made["id"]):
        fails(other.get(f"{CONTAINERS}/{reference}"), 404, "CONTAINER_NOT_FOUND")
        fails(other.patch(f"{CONTAINERS}/{reference}", json={}), 404, "CONTAINER_NOT_FOUND")
        fails(other.delete(f"{CONTAINERS}/{reference}"), 404, "CONTAINER_NOT_FOUND")
        fails(other.get(MODELS, params={"container": reference}), 404, "CONTAINER_NOT_FOUND")
        wish = {"model": MODEL, "container": reference, "slug": "s"}
        fails(other.post(MODELS, json=wish), 404, "CONTAINER_NOT_FOUND")
    fails(other.post(CHAT, json={"model": f"maniac:{label}", "messages": user()}), 404, "CONTAINER_NOT_FOUND")
    assert label not in [container["label"] for container in other.get(CONTAINERS).json()["data"]]
    assert client.get(f"{CONTAINERS}/{label}").json() == made


def test_every_api_offers_the_container_as_a_model(client: httpx.Client, label: str) -> None:
    create(client, label, default_system_prompt=PROMPT)
    name = f"maniac:{label}"
    assert name in [model["id"] for model in client.get(MODELS).json()["data"]]
    assert name in [model["id"] for model in client.get("/ipop/v1/models").json()["data"]]
    assert name in [model["identifier"] for model in client.get("/llama-stack/v1/models").json()["data"]]
    deprecated = "/llama-stack-deprecated/v1/openai/v1"
    assert name in [model["id"] for model in client.get(f"{deprecated}/models").json()["data"]]
    expected = said(client, MODEL, [*system(), *user()])
    for path in ("/ipop/v1/chat/completions", f"{deprecated}/chat/completions"):
        answer = client.post(path, json={"model": name, "messages": user()})
        assert answer.json()["choices"][0]["message"]["content"] == expected

from __future__ import annotations

from collections.abc import Callable

from tests.journeys.dialects import MANIAC, USER, Dialect
from tests.journeys.tours.datasets import tour_of_chats_as_datasets
from tests.journeys.tours.files import tour_of_files
from tests.journeys.tours.tour import MODEL, Tour, text_of


def test_maniac(begin: Callable[[Dialect], Tour]) -> None:
    tour = begin(MANIAC)
    chats, containers = "/v1/chat/completions", "/v1/containers"
    tour.ask("healthz_get", "GET", "/healthz")
    made = tour.ask("containers_create", "POST", containers, {"label": "guide", "initial_model": MODEL})
    tour.ask("containers_update", "PATCH", f"{containers}/guide", {"default_system_prompt": "Be a guide."})
    shown = tour.ask("containers_retrieve", "GET", f"{containers}/guide")
    assert (shown["id"], shown["default_system_prompt"]) == (made["id"], "Be a guide.")
    attached = tour.ask(
        "containers_models_add", "POST", "/v1/models", {"container": "guide", "model": "openai/gpt-5.5", "slug": "big"}
    )
    assert attached["container_id"] == made["id"]
    listed = tour.ask("models_list", "GET", "/v1/models", container="guide")
    assert {model["slug"] for model in listed["data"]} == {"big", MODEL}
    assert [c["label"] for c in tour.ask("containers_list", "GET", containers)["data"]] == ["guide"]
    body = {"model": "maniac:guide", "messages": USER, "trace": {"id": "tour"}}
    chat = tour.ask("chat_completions_create", "POST", chats, body)
    stored = tour.ask("chat_completions_retrieve", "GET", f"{chats}/{chat['id']}")
    assert text_of(stored) == text_of(chat)
    answered = {"input": {"messages": USER}, "output": {"id": "elsewhere", "choices": []}}
    done = tour.ask(
        "chat_completions_register", "POST", f"{chats}/register", {"container": "guide", "items": [answered]}
    )
    assert done["summary"]["inserted"] == 1
    page = tour.ask("chat_completions_list", "GET", chats, container="guide")
    assert [one["id"] for one in page["data"]] == ["elsewhere", chat["id"]]
    assert [trace["id"] for trace in tour.ask("traces_list", "GET", "/v1/traces")["data"]] == ["tour"]
    assert tour.ask("traces_retrieve", "GET", "/v1/traces/tour")["request_count"] == 1
    tour_of_chats_as_datasets(tour, "guide", chats=2)
    assert tour.ask("containers_delete", "DELETE", f"{containers}/guide")["deleted"] is True
    tour_of_rlm(tour)
    tour_of_files(tour, "/v1/files", get="files_retrieve", content_get="files_content")
    tour.finish()


def tour_of_rlm(tour: Tour) -> None:
    path = "/v1/rlm/responses"
    body = {"model": MODEL, "input": "A long story.", "rlm": {"engine": "lambda"}}
    made = tour.ask("rlm_responses_create", "POST", path, body)
    assert made["output_text"]
    assert tour.ask("rlm_responses_retrieve", "GET", f"{path}/{made['id']}") == made

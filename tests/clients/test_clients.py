"""Published clients, unmodified, against a real server: what they ask for works as they expect it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.conftest import RunClient

pytestmark = pytest.mark.clients

ALWAYS = {"simulator/chat", "local/all-minilm-l6-v2", "openai/gpt-5.5"}
OPENAI_PREFIXES = ("/maniac/v1", "/ipop/v1", "/llama-stack-deprecated/v1/openai/v1")


@pytest.fixture(scope="module", params=OPENAI_PREFIXES)
def openai(request: pytest.FixtureRequest, run_client: RunClient) -> dict[str, Any]:
    """What the script printed, and the `prefix` it asked."""
    return {"prefix": request.param, **run_client("openai", "openai_chat.py", request.param)}


@pytest.fixture(scope="module")
def maniac(run_client: RunClient) -> dict[str, Any]:
    return run_client("maniac", "maniac_chat.py", "/maniac")


@pytest.fixture(scope="module")
def llama_stack(run_client: RunClient) -> dict[str, Any]:
    return run_client("llama-stack-client-0.1.1", "llama_stack.py", "/llama-stack")


@pytest.fixture(scope="module")
def llama_stack_deprecated(run_client: RunClient) -> dict[str, Any]:
    return run_client("llama-stack-client-0.2.23", "llama_stack_deprecated.py", "/llama-stack-deprecated")


def test_openai_streams_what_it_answers_whole(openai: dict[str, Any]) -> None:
    assert openai["whole"]
    assert openai["streamed"] == openai["whole"]
    assert openai["chunks"] > 2
    assert openai["other"] != openai["whole"]
    assert openai["finish_reason"] == "stop"


def test_openai_gets_the_same_usage_streamed_and_whole(openai: dict[str, Any]) -> None:
    usage = openai["usage"]
    assert usage["prompt_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert openai["streamed_usage"] == [usage["total_tokens"]]


def test_openai_gets_a_required_tool_call(openai: dict[str, Any]) -> None:
    assert openai["tool"] == "forecast"
    assert isinstance(openai["arguments"]["city"], str)
    assert openai["arguments"]["days"] >= 1
    assert openai["tool_finish_reason"] == "tool_calls"


def test_openai_lists_models(openai: dict[str, Any]) -> None:
    assert set(openai["models"]) >= ALWAYS


def test_openai_understands_the_errors(openai: dict[str, Any]) -> None:
    assert openai["wrong_key"] == 401
    assert openai["unknown_model"] in (400, 404)


def test_maniac_streams_what_it_answers_whole(maniac: dict[str, Any]) -> None:
    assert maniac["whole"]
    assert maniac["streamed"] == maniac["whole"]
    assert maniac["events"][-1].strip() == "[DONE]"


def test_maniac_takes_a_colon_for_a_slash(maniac: dict[str, Any]) -> None:
    assert maniac["colon"] == maniac["whole"]


def test_maniac_pages_through_models(maniac: dict[str, Any]) -> None:
    everything, page = maniac["models"], maniac["page"]
    assert {model["id"] for model in everything["data"]} >= ALWAYS
    assert page["total"] == everything["total"] == len(everything["data"])
    assert [model["id"] for model in page["data"]] == [model["id"] for model in everything["data"][1:3]]


def test_maniac_asks_a_container_and_lists_its_chats(maniac: dict[str, Any]) -> None:
    pirates = maniac["pirates"]
    assert pirates["container"] == "pirates"
    assert pirates["answer"] == pirates["told"] != maniac["whole"]
    assert pirates["listed"] == pirates["made"]
    assert pirates["total"] == 1
    assert (pirates["labels"], pirates["deleted"]) == (["pirates"], True)


def test_maniac_runs_recursive_language_models(run_client: RunClient) -> None:
    answers = run_client("maniac", "maniac_rlm.py", "/maniac")
    made = answers["made"]
    assert (made["status"], made["metadata"], bool(made["output_text"])) == ("completed", {"a": "b"}, True)
    assert made["usage"]["total_tokens"] == made["usage"]["input_tokens"] + made["usage"]["output_tokens"] > 50_000
    assert answers["again"] == made
    assert (answers["begun"], answers["ended"]["status"]) == ("in_progress", "completed")
    assert (answers["failed"]["status"], answers["failed"]["output"]) == ("failed", None)
    assert answers["failed"]["error"]["code"] == "MAX_ITERATIONS_EXCEEDED"
    assert answers["failed"]["usage"]["total_tokens"] > 0
    assert (answers["refused"], answers["missing"]) == ([True] * 3, True)


def test_maniac_does_all_that_there_is_to_do_with_a_container(maniac: dict[str, Any]) -> None:
    container = maniac["container"]
    assert container["same"]
    assert container["prompt"] == "Be a librarian."
    assert set(container["slugs"]) == {"big", "simulator/chat"}
    assert (container["inserted"], container["registered"]) == (1, "library")


def test_maniac_finds_chats_by_metadata_and_traces(maniac: dict[str, Any]) -> None:
    filtered = maniac["filtered"]
    assert filtered["found"]
    assert filtered["tags"] == ["a"]
    assert "lakes" in filtered["traces"]
    assert filtered["spans"] == ["one"]


def test_maniac_falls_back(maniac: dict[str, Any]) -> None:
    assert maniac["fallback"] == "simulator/chat"


def test_the_maniac_command_does_what_the_package_does(run_client: RunClient) -> None:
    printed = run_client("maniac", "maniac_command.py", "/maniac")
    assert printed["prompt"] == "Be a shelf."
    assert printed["same"]
    assert set(printed["slugs"]) == {"big", "simulator/chat"}
    assert (printed["registered"], printed["total"]) == (1, 2)
    assert printed["stored"]
    assert printed["trace"] == 1
    assert "command" in printed["traces"]
    assert "simulator/chat" in printed["table"]
    assert printed["deleted"] is True


def test_maniac_understands_a_wrong_key(maniac: dict[str, Any]) -> None:
    assert maniac["wrong_key"]


def test_llama_stack_streams_what_it_answers_whole(llama_stack: dict[str, Any]) -> None:
    assert llama_stack["whole"]
    assert llama_stack["streamed"] == llama_stack["whole"]
    assert llama_stack["other"] != llama_stack["whole"]
    assert llama_stack["event_types"][0] == "start"
    assert llama_stack["event_types"][-1] == "complete"
    assert set(llama_stack["event_types"][1:-1]) == {"progress"}
    assert llama_stack["stop_reason"] == "end_of_turn"


def test_llama_stack_completes_text(llama_stack: dict[str, Any]) -> None:
    assert llama_stack["completed"]
    assert llama_stack["completed_streamed"] == llama_stack["completed"]


def test_llama_stack_registers_and_forgets_a_model(llama_stack: dict[str, Any]) -> None:
    assert llama_stack["registered"] == ["my/alias", "simulator"]
    assert llama_stack["gone"]


def test_llama_stack_lists_models_with_their_types(llama_stack: dict[str, Any]) -> None:
    types = dict(llama_stack["models"])
    assert types.keys() >= ALWAYS
    assert types["simulator/chat"] == "llm"
    assert types["local/all-minilm-l6-v2"] == "embedding"


def test_llama_stack_answers_batches(llama_stack: dict[str, Any]) -> None:
    batches = llama_stack["batches"]
    assert batches["chats"] == [batches["alone"]] * 2
    assert batches["texts"] == [llama_stack["completed"]]


def test_llama_stack_streams_a_tool_call_and_parses_it(llama_stack: dict[str, Any]) -> None:
    call = llama_stack["tool_call"]
    assert (call["statuses"][0], call["statuses"][-1]) == ("started", "succeeded")
    assert set(call["statuses"][1:-1]) <= {"in_progress"}
    assert call["name"] == "forecast"
    assert isinstance(call["arguments"]["city"], str)


def test_llama_stack_answers_by_a_schema(llama_stack: dict[str, Any]) -> None:
    assert isinstance(llama_stack["structured"]["city"], str)


def test_llama_stack_tells_of_itself(llama_stack: dict[str, Any]) -> None:
    assert {"simulator", "local"} <= set(llama_stack["providers"])
    assert "/v1/inference/chat-completion" in llama_stack["routes"]


def test_llama_stack_is_healthy(llama_stack: dict[str, Any]) -> None:
    assert llama_stack["health"] == "OK"
    assert llama_stack["version"]
    assert llama_stack["wrong_key"] == 401


def test_llama_stack_deprecated_streams_what_it_answers_whole(llama_stack_deprecated: dict[str, Any]) -> None:
    answers = llama_stack_deprecated
    assert answers["whole"]
    assert answers["streamed"] == answers["whole"]
    assert answers["other"] != answers["whole"]
    assert answers["finish_reason"] == "stop"


def test_llama_stack_deprecated_completes_text(llama_stack_deprecated: dict[str, Any]) -> None:
    assert llama_stack_deprecated["completed"]
    assert llama_stack_deprecated["completed_streamed"] == llama_stack_deprecated["completed"]


def test_llama_stack_deprecated_lists_models_in_both_places(llama_stack_deprecated: dict[str, Any]) -> None:
    assert set(llama_stack_deprecated["models"]) >= ALWAYS
    assert set(llama_stack_deprecated["openai_models"]) == set(llama_stack_deprecated["models"])
    assert llama_stack_deprecated["wrong_key"] == 401


def test_llama_stack_deprecated_finds_its_chats_again(llama_stack_deprecated: dict[str, Any]) -> None:
    stored = llama_stack_deprecated["stored"]
    assert (stored["newest"], stored["all"], stored["answer"]) == (True, True, True)
    assert stored["input"] == "Name a river."


def test_llama_stack_deprecated_makes_responses(llama_stack_deprecated: dict[str, Any]) -> None:
    made = llama_stack_deprecated["responses"]
    assert made["said"] != made["text"] == made["deltas"] != ""
    assert (made["types"][0], made["types"][-1]) == ("response.created", "response.completed")
    assert made["asked"] == ["And a treaty?"]
    assert (made["previous"], made["kept"], made["listed"], made["deleted"]) == (True, True, True, True)
    assert made["gone"] == 404


@pytest.mark.parametrize("prefix", ["/ipop/v1", "/llama-stack-deprecated/v1/openai/v1"])
def test_openai_makes_responses(run_client: RunClient, prefix: str) -> None:
    made = run_client("openai", "openai_conversation.py", prefix)
    assert made["said"] != made["text"] == made["deltas"] == made["kept"] != ""
    assert (made["status"], made["previous"]) == ("completed", True)
    assert (made["types"][0], made["types"][-1]) == ("response.created", "response.completed")
    assert made["numbers"] == list(range(len(made["types"])))
    assert made["asked"] == ["And a treaty?"]
    assert (made["gone"], made["continued"], made["forgotten"]) == (404, 404, 404)
    assert made["tool"]["name"] == "forecast"
    assert isinstance(made["tool"]["arguments"]["city"], str)
    assert made["tool"]["after"]


def test_openai_counts_and_cancels_responses_of_ipop(run_client: RunClient) -> None:
    answers = run_client("openai", "openai_ipop.py", "/ipop/v1")
    assert answers["model"] == "openai/gpt-5.5"
    assert answers["counted"] == answers["used"] > 0
    assert answers["cancelled"] == ["cancelled", "cancelled"]


@pytest.fixture(scope="module")
def openai_responses(run_client: RunClient) -> dict[str, Any]:
    return run_client("openai", "openai_responses.py", "/ipop/v1")


def test_openai_makes_continues_and_deletes_responses(openai_responses: dict[str, Any]) -> None:
    answers = openai_responses
    assert "What is a concordat?" in answers["whole"]
    assert answers["whole"] == answers["retrieved"] == answers["streamed"] == answers["final"]
    assert (answers["status"], answers["metadata"]) == ("completed", {"for": "a test"})
    assert answers["usage"][2] == answers["usage"][0] + answers["usage"][1]
    assert answers["continues"]
    assert "(3 messages" in answers["second"]
    assert [item["content"][0]["text"] for item in answers["items"]] == ["And then?"]
    assert answers["deleted"] == 404


def test_openai_polls_and_cancels_responses_in_the_background(openai_responses: dict[str, Any]) -> None:
    answers = openai_responses
    assert (answers["queued"], answers["polled"]) == ("queued", ["completed", answers["whole"]])
    assert answers["cancelled"] == ["cancelled", "cancelled"]
    assert answers["not_stored"] == 400


def test_openai_resumes_the_stream_of_a_response(openai_responses: dict[str, Any]) -> None:
    answers = openai_responses
    assert answers["numbers"] == list(range(len(answers["numbers"])))
    assert answers["last"] == ["response.completed", answers["resumed"]]


@pytest.mark.parametrize("prefix", ["/ipop/v1", "/llama-stack-deprecated/v1/openai/v1"])
def test_openai_reads_embeddings_as_it_asks_for_them(run_client: RunClient, prefix: str) -> None:
    answers = run_client("openai", "openai_embeddings.py", prefix)
    assert answers["usual"] == answers["floats"]
    assert answers["indices"] == [0, 1, 2]
    assert {len(vector) for vector in answers["usual"]} == {384}
    assert answers["model"] == "local/all-minilm-l6-v2"
    assert answers["tokens"] > 15
    assert (answers["chat_model"], answers["dimensions"]) == (400, 400)


@pytest.mark.parametrize("client", ["llama_stack", "llama_stack_deprecated"])
def test_llama_clients_embed_texts(request: pytest.FixtureRequest, client: str) -> None:
    first, same, other = request.getfixturevalue(client)["embeddings"]
    assert len(first) == 384
    assert first == same
    assert first != other

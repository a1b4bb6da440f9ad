"""Responses over HTTP, on both APIs that have them: made, streamed, continued, listed, cancelled, and nobody else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import orjson
import pytest

from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import eventually
from tests.live import LiveServer
from tests.unit.handlers.bench import check

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


@dataclass(frozen=True)
class Api:
    api: str
    url: str
    event: str
    named_events: bool

    def body(self, asked: Any = "Tell me about concord.", **more: Any) -> dict[str, Any]:
        return {"model": "simulator/chat", "input": asked, **more}

    def sdk_address(self, server: LiveServer) -> str:
        return server.url + self.url.removesuffix("/responses")


IPOP = Api("ipop", "/ipop/v1/responses", "ResponseStreamEvent", True)
DEPRECATED = Api(
    "llama_stack_deprecated", "/llama-stack-deprecated/v1/openai/v1/responses", "OpenAIResponseObjectStream", False
)
each = pytest.mark.parametrize("api", [IPOP, DEPRECATED], ids=lambda api: api.api)


def the_other(api: Api) -> Api:
    return DEPRECATED if api is IPOP else IPOP


def create(client: httpx.Client, api: Api, asked: Any = "Tell me about concord.", **more: Any) -> dict[str, Any]:
    answer = client.post(api.url, json=api.body(asked, **more))
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def stream(client: httpx.Client, api: Api, asked: Any = "Tell me about concord.", **more: Any) -> list[dict[str, Any]]:
    with client.stream("POST", api.url, json=api.body(asked, stream=True, **more)) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(events(api, answer.iter_text()))


def events(api: Api, pieces: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Each as its schema has it, under its own name, numbered on from 0."""
    for number, block in enumerate("".join(pieces).removesuffix("\n\n").split("\n\n")):
        *names, data = block.split("\n")
        event = orjson.loads(data.removeprefix("data: "))
        assert names == ([f"event: {event['type']}"] if api.named_events else [])
        assert event["sequence_number"] == number
        yield check(api.api, f"#/components/schemas/{api.event}", event)


def text_of(response: dict[str, Any]) -> str:
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in messages for part in item["content"])


def refusal(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.text


@each
def test_a_response_is_made_and_read_again_on_either_api_until_it_is_deleted(client: httpx.Client, api: Api) -> None:
    made = create(client, api)
    assert made["status"] == "completed"
    assert made["id"].startswith("resp_")
    assert "Tell me about concord." in text_of(made)
    read = client.get(f"{api.url}/{made['id']}")
    assert read.json() == made
    assert text_of(client.get(f"{the_other(api).url}/{made['id']}").json()) == text_of(made)
    gone = client.delete(f"{api.url}/{made['id']}")
    assert gone.json() == {"id": made["id"], "object": "response", "deleted": True}
    refusal(client.get(f"{api.url}/{made['id']}"), 404)
    refusal(client.get(f"{api.url}/{made['id']}/input_items"), 404)
    refusal(client.delete(f"{api.url}/{made['id']}"), 404)


@each
def test_the_deltas_of_a_stream_add_up_to_the_text_that_is_kept(client: httpx.Client, api: Api) -> None:
    told = stream(client, api)
    assert [event["type"] for event in told if event["type"].startswith("response.output_item")] == [
        "response.output_item.added",
        "response.output_item.done",
    ]
    assert told[0]["type"] == "response.created"
    assert told[0]["response"]["status"] == "in_progress"
    assert told[-1]["type"] == "response.completed"
    kept = client.get(f"{api.url}/{told[-1]['response']['id']}").json()
    assert kept == told[-1]["response"]
    deltas = [event["delta"] for event in told if event["type"] == "response.output_text.delta"]
    (done,) = [event["text"] for event in told if event["type"] == "response.output_text.done"]
    assert len(deltas) > 3
    assert "".join(deltas) == done == text_of(kept)
    assert text_of(create(client, api)) == done


@each
def test_a_function_is_called_and_its_output_answered(client: httpx.Client, api: Api) -> None:
    told = stream(client, api, "Use weather for Oslo.", tools=[WEATHER])
    first = told[-1]["response"]
    (call,) = first["output"]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "weather", "completed")
    deltas = [e["delta"] for e in told if e["type"] == "response.function_call_arguments.delta"]
    (done,) = [e["arguments"] for e in told if e["type"] == "response.function_call_arguments.done"]
    assert "".join(deltas) == done == call["arguments"]
    assert isinstance(orjson.loads(done)["city"], str)
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "7 degrees and rain"}
    second = create(client, api, [output], previous_response_id=first["id"], tools=[WEATHER])
    assert "7 degrees and rain" in text_of(second)
    assert "no output" in refusal(client.post(api.url, json=api.body(previous_response_id=first["id"])), 400)
    assert "no function call" in refusal(client.post(api.url, json=api.body([output])), 400)


@each
def test_a_response_continues_the_whole_chain_before_it(client: httpx.Client, api: Api) -> None:
    first = create(client, api, "One.", instructions="Be brief.")
    second = create(client, the_other(api), "Two.", previous_response_id=first["id"])
    third = create(client, api, "Three.", previous_response_id=second["id"])
    assert third["previous_response_id"] == second["id"]
    assert "(2 messages" in text_of(first)
    assert "(3 messages" in text_of(second)
    assert "(5 messages" in text_of(third)
    client.delete(f"{api.url}/{first['id']}")
    broken = client.post(api.url, json=api.body("Four.", previous_response_id=third["id"]))
    assert first["id"] in refusal(broken, 404)
    assert text_of(client.get(f"{api.url}/{third['id']}").json()) == text_of(third)


@each
def test_what_is_not_to_be_stored_is_not(client: httpx.Client, api: Api) -> None:
    made = create(client, api, store=False)
    refusal(client.get(f"{api.url}/{made['id']}"), 404)
    streamed = stream(client, api, store=False)[-1]["response"]
    assert streamed["status"] == "completed"
    refusal(client.post(api.url, json=api.body(previous_response_id=streamed["id"])), 404)


@each
def test_structured_text_is_what_the_schema_says(client: httpx.Client, api: Api) -> None:
    schema = {"type": "object", "properties": {"warm": {"type": "boolean"}}, "required": ["warm"]}
    form = {"type": "json_schema", "name": "warmth", "schema": schema, "strict": True}
    assert isinstance(orjson.loads(text_of(create(client, api, text={"format": form})))["warm"], bool)


@each
def test_an_answer_that_is_cut_is_incomplete(client: httpx.Client, api: Api) -> None:
    told = stream(client, api, max_output_tokens=3)
    assert told[-1]["type"] == "response.incomplete"
    assert told[-1]["response"]["status"] == "incomplete"
    assert told[-1]["response"]["output"][-1]["status"] == "incomplete"
    whole = create(client, api, max_output_tokens=3)
    assert (whole["status"], text_of(whole)) == ("incomplete", text_of(told[-1]["response"]))


@each
def test_another_project_finds_nothing(client: httpx.Client, server: LiveServer, api: Api) -> None:
    made = create(client, api)
    theirs = {"Authorization": f"Bearer {server.other_key}"}
    assert client.get(f"{api.url}/{made['id']}", headers=theirs).status_code == 404
    assert client.get(f"{api.url}/{made['id']}/input_items", headers=theirs).status_code == 404
    assert client.delete(f"{api.url}/{made['id']}", headers=theirs).status_code == 404
    assert client.post(f"{IPOP.url}/{made['id']}/cancel", headers=theirs).status_code == 404
    continued = api.body(previous_response_id=made["id"])
    assert client.post(api.url, json=continued, headers=theirs).status_code == 404
    listed = client.get(DEPRECATED.url, params={"limit": -1}, headers=theirs).json()
    assert made["id"] not in [response["id"] for response in listed["data"]]
    assert client.get(f"{api.url}/{made['id']}").status_code == 200


@each
def test_input_items_are_what_was_asked(client: httpx.Client, api: Api) -> None:
    asked = [
        {"type": "message", "role": "user", "content": "One"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Two"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": PICTURE}], "id": "msg_3"},
    ]
    made = create(client, api, asked)
    url = f"{api.url}/{made['id']}/input_items"
    items = client.get(url, params={"order": "asc"}).json()["data"]
    assert [item["role"] for item in items] == ["user", "assistant", "user"]
    assert [item["content"][0]["type"] for item in items] == ["input_text", "output_text", "input_image"]
    assert items[2]["id"] == "msg_3"
    assert client.get(url, params={"order": "desc"}).json()["data"] == items[::-1]
    rest = client.get(url, params={"order": "asc", "after": items[0]["id"], "limit": 1}).json()
    assert rest["data"] == [items[1]]
    refusal(client.get(url, params={"after": "msg_none"}), 404)
    refusal(client.get(url, params={"include": "reasoning.encrypted_content"}), 400)
    shown = client.get(url, params={"include": "message.input_image.image_url", "order": "asc"}).json()["data"]
    assert shown[2]["content"][0]["image_url"] == PICTURE
    assert ("image_url" in items[2]["content"][0]) is (api is DEPRECATED)


@each
@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, 404, "vs_1"),
        ({"tools": [{"type": "web_search_preview"}]}, 501, "web_search_preview"),
        ({"input": []}, 400, "empty"),
        ({"model": "nobody/nothing"}, 404, "nobody/nothing"),
        ({"previous_response_id": "resp_none"}, 404, "resp_none"),
        ({"include": ["reasoning.encrypted_content"]}, 400, "reasoning.encrypted_content"),
        ({"text": {"format": {"type": "json_schema", "strict": True}}}, 400, "schema"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_done_is_refused_in_words(
    client: httpx.Client, api: Api, asked: dict[str, Any], status: int, said: str
) -> None:
    assert said in refusal(client.post(api.url, json=api.body() | asked), status)
    assert said in refusal(client.post(api.url, json=api.body(stream=True) | asked), status)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"background": True, "store": False}, 400, "stored"),
        ({"metadata": {"max_cost_usd": "cheap"}}, 400, "max_cost_usd"),
        ({"metadata": {"max_cost_usd": 0.000001}, "model": "openai/gpt-5.5"}, 400, "max_cost_usd"),
        ({"metadata": {"hedge_after_ms": -1}}, 400, "hedge_after_ms"),
        ({"metadata": {"hedge_after_ms": "10"}}, 400, "hedge_after_ms"),
        ({"metadata": {"max_output_tokens": 0}}, 400, "max_output_tokens"),
        ({"metadata": {"cache_mode": "often"}}, 400, "cache_mode"),
        ({"metadata": {"sensitive": "very"}}, 400, "sensitive"),
        ({"metadata": {"require_region": 7}}, 400, "require_region"),
        ({"metadata": {"require_region": "nowhere"}}, 400, "nowhere"),
        ({"metadata": {"byok_fallback_policy": "byok_only"}}, 403, "provider keys of your own"),
        ({"metadata": {"tool_schema_policy": "hash_reference", "tool_schema_hash": "h1"}}, 404, "h1"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}, 501, "file_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 400, "image_url"),
        ({"tools": [{"type": "computer_use_preview"}]}, 501, "computer_use_preview"),
        ({"tools": [{"type": "code_interpreter"}]}, 501, "code_interpreter"),
        ({"tools": [{"type": "image_generation"}]}, 501, "image_generation"),
        ({"conversation": "conv_1"}, 501, "conversations"),
        ({"truncation": {"type": "last_messages"}}, 400, "truncation"),
        ({"reasoning": {"summary": "concise"}}, 400, "reasoning.summary"),
        ({"reasoning": {"budget": 3}}, 400, "reasoning.budget"),
        ({"tool_choice": {"type": "mcp"}}, 400, "tool_choice"),
        ({"input": [{"role": "tool", "content": "7"}]}, 400, "call_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://a.b"}]}]},
            501,
            "file_url",
        ),
        ({"metadata": {"a": "\0"}}, 400, "metadata"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_ipop_refuses_what_it_alone_is_asked(
    client: httpx.Client, asked: dict[str, Any], status: int, said: str
) -> None:
    assert said in refusal(client.post(IPOP.url, json=IPOP.body() | asked), status)


def test_the_deprecated_api_has_no_background(client: httpx.Client) -> None:
    assert "background" in refusal(client.post(DEPRECATED.url, json=DEPRECATED.body(background=True)), 400)


def test_ipop_answers_as_the_metadata_wishes(client: httpx.Client, server: LiveServer) -> None:
    cut = create(client, IPOP, metadata={"max_output_tokens": 3, "cache_mode": "aggressive", "note": "kept"})
    assert (cut["status"], cut["usage"]["output_tokens"]) == ("incomplete", 3)
    assert cut["metadata"]["note"] == "kept"
    answer = client.post(IPOP.url, json=IPOP.body(metadata={"max_output_tokens": 3, "cache_mode": "aggressive"}))
    again = client.post(IPOP.url, json=IPOP.body(metadata={"max_output_tokens": 3, "cache_mode": "aggressive"}))
    assert again.json()["output_text"] == answer.json()["output_text"]
    record = LedgerReader.of(server).settled("default", again.headers["x-request-id"])
    assert record.metadata is not None
    assert record.metadata["cache_hit"] is True


@pytest.mark.parametrize("background", [False, True])
def test_ipop_pins_a_response_to_a_region(client: httpx.Client, server: LiveServer, background: bool) -> None:
    region = client.get("/ipop/v1/regions").json()["data"][0]["region"]
    body = IPOP.body(metadata={"require_region": region}, background=background)
    answer = client.post(IPOP.url, json=body)
    assert answer.status_code == 200, answer.text
    url = f"{IPOP.url}/{answer.json()['id']}"
    eventually(lambda: client.get(url).json()["status"] == "completed")
    envelope = client.get(f"/ipop/v1/inference/{answer.headers['x-request-id']}/attestation")
    assert envelope.status_code == 200, envelope.text
    assert envelope.json()["region"] == region


def test_ipop_takes_every_parameter_that_the_document_names(client: httpx.Client) -> None:
    made = create(
        client,
        IPOP,
        [
            {"type": "input_message", "role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "See"}, {"type": "image_url", "image_url": PICTURE}],
            },
        ],
        instructions=[{"role": "system", "content": "Rhyme."}],
        include=["message.input_image.image_url", "file_search_call.results"],
        truncation="disabled",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=100,
        parallel_tool_calls=False,
        service_tier="standard",
        stream_options={"include_usage": True},
        tools=[WEATHER],
        tool_choice="none",
        text={"format": {"type": "text"}},
        metadata={"a": "b"},
    )
    assert (made["status"], made["service_tier"], made["metadata"]) == ("completed", "standard", {"a": "b"})
    assert "(3 messages" in made["output_text"]
    forced = create(client, IPOP, "Anything", tools=[WEATHER], tool_choice={"type": "function", "name": "weather"})
    assert [item["type"] for item in forced["output"]] == ["function_call"]


def test_mcp_tools_are_not_there_yet(client: httpx.Client) -> None:
    tool = {"type": "mcp", "server_label": "a", "server_url": "https://a.b", "require_approval": "never"}
    assert "mcp" in refusal(client.post(DEPRECATED.url, json=DEPRECATED.body(tools=[tool])), 501)
    refusal(client.post(DEPRECATED.url, json=DEPRECATED.body(max_infer_iters=0)), 400)
    assert create(client, DEPRECATED, max_infer_iters=1)["status"] == "completed"


def test_ipop_tells_of_the_request_and_its_cost(client: httpx.Client, server: LiveServer) -> None:
    asked: dict[str, Any] = {"instructions": "Be brief.", "metadata": {"trip": "north"}, "service_tier": "standard"}
    answer = client.post(IPOP.url, json=IPOP.body(reasoning={"effort": "low"}, truncation="auto", **asked))
    assert answer.headers["x-concordat-provider"] == "simulator"
    made = answer.json()
    assert {name: made[name] for name in asked} == asked
    assert made["output_text"] == text_of(made)
    usage = made["usage"]
    assert usage["output_tokens_details"]["reasoning_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.prompt_tokens, record.completion_tokens) == (usage["input_tokens"], usage["output_tokens"])
    assert record.metadata == {"metadata": {"trip": "north"}}


def test_ipop_shows_reasoning_to_those_who_ask(client: httpx.Client) -> None:
    told = stream(client, IPOP, reasoning={"effort": "low", "summary": "auto"})
    reasoning, message = told[-1]["response"]["output"]
    assert (reasoning["type"], message["type"]) == ("reasoning", "message")
    deltas = [event["delta"] for event in told if event["type"] == "response.reasoning_summary_text.delta"]
    assert "".join(deltas) == reasoning["summary"][0]["text"]
    listed = client.get(f"{DEPRECATED.url}/{told[-1]['response']['id']}").json()
    assert [item["type"] for item in listed["output"]] == ["message"]
    back = [{"role": "user", "content": "Hi"}, reasoning, message, {"role": "user", "content": "And?"}]
    assert "(3 messages" in text_of(create(client, IPOP, back))


def test_ipop_counts_the_input_of_the_whole_chain(client: httpx.Client) -> None:
    first = create(client, IPOP, "One.")
    asked = {"input": "Two.", "previous_response_id": first["id"], "model": "simulator/chat"}
    counted = client.post(f"{IPOP.url}/input_tokens", json=asked).json()
    made = create(client, IPOP, "Two.", previous_response_id=first["id"])
    assert counted["input_tokens"] == made["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    without_model = client.post(f"{IPOP.url}/input_tokens", json={"input": "One."}).json()
    assert without_model["input_tokens"] == first["usage"]["input_tokens"]
    refusal(client.post(f"{IPOP.url}/input_tokens", json={"input": "a", "model": "nobody/nothing"}), 404)


def test_ipop_cancels_what_runs_and_nothing_else(client: httpx.Client) -> None:
    done = create(client, IPOP)
    assert "completed" in refusal(client.post(f"{IPOP.url}/{done['id']}/cancel"), 400)
    refusal(client.post(f"{IPOP.url}/resp_none/cancel"), 404)
    asked = IPOP.body("word " * 400, model="simulator/slow-100ms", stream=True)
    with client.stream("POST", IPOP.url, json=asked) as answer:
        lines = answer.iter_lines()
        created = orjson.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
        running = created["response"]["id"]
        assert client.get(f"{IPOP.url}/{running}").json()["status"] == "in_progress"
        cancelled = client.post(f"{IPOP.url}/{running}/cancel").json()
        assert cancelled["status"] == "cancelled"
        last = orjson.loads([line for line in lines if line.startswith("data: ")][-1].removeprefix("data: "))
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")
    kept = client.get(f"{IPOP.url}/{running}").json()
    assert kept == last["response"]
    assert client.post(f"{IPOP.url}/{running}/cancel").json() == kept
    refused = client.post(IPOP.url, json=IPOP.body(previous_response_id=running))
    assert "cancelled" in refusal(refused, 400)


@each
def test_a_stream_that_its_vendor_cuts_ends_as_failed_and_is_kept_so(
    client: httpx.Client, server: LiveServer, api: Api
) -> None:
    with client.stream("POST", api.url, json=api.body(model="simulator/cut-stream", stream=True)) as answer:
        told = list(events(api, answer.iter_text()))
    failed = told[-1]
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"]["code"] == "upstream_unavailable"
    kept = client.get(f"{api.url}/{failed['response']['id']}").json()
    assert kept == failed["response"]
    deltas = [event["delta"] for event in told if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == text_of(kept) != ""
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.error_code) == ("failed", "upstream_unavailable")
    assert record.completion_tokens > 0


@each
def test_a_reader_that_hangs_up_leaves_a_cancelled_response_and_pays(
    client: httpx.Client, server: LiveServer, api: Api
) -> None:
    asked = api.body("word " * 400, model="simulator/slow-100ms", stream=True)
    with client.stream("POST", api.url, json=asked) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        response_id = orjson.loads(next(lines).removeprefix("data: "))["response"]["id"]
        while '"response.output_text.delta"' not in next(lines):
            pass
    url = f"{api.url}/{response_id}"
    kept = eventually(lambda: client.get(url).json(), lambda response: response["status"] != "in_progress")
    assert kept["status"] == "cancelled"
    assert text_of(kept)
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.error_code) == ("interrupted", "hung_up")
    assert record.completion_tokens > 0


@pytest.fixture
def four(client: httpx.Client, server: LiveServer) -> list[str]:
    """The ids of four responses of a project of its own, two of each API, and the key in `client`."""
    slug = f"list-{uuid.uuid4().hex[:8]}"
    assert server.cli("projects", "create", slug).returncode == 0
    made = server.cli("keys", "create", "--project", slug, "--json")
    client.headers["Authorization"] = f"Bearer {orjson.loads(made.stdout)['key']}"
    return [create(client, api, f"number {n}")["id"] for n, api in enumerate([IPOP, DEPRECATED, IPOP, DEPRECATED])]


@pytest.mark.parametrize("by", ["GET", "POST"])
def test_the_deprecated_api_lists_in_pages(client: httpx.Client, four: list[str], by: str) -> None:
    def listed(**asked: Any) -> dict[str, Any]:
        sent: dict[str, Any] = {"params" if by == "GET" else "json": asked}
        answer = client.request(by, DEPRECATED.url, **sent)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        found = [response["id"] for response in content["data"]] or [""]
        assert (content["first_id"], content["last_id"]) == (found[0], found[-1])
        return content

    def ids(**asked: Any) -> list[str]:
        return [response["id"] for response in listed(**asked)["data"]]

    assert ids() == four[::-1]
    assert ids(order="asc") == four
    page = listed(limit=3)
    assert (page["has_more"], ids(limit=3, after=page["last_id"])) == (True, four[:1])
    assert listed(limit=4)["has_more"] is False
    assert ids(limit=-1) == four[::-1]
    assert ids(limit=0) == []
    assert ids(model="simulator/chat") == four[::-1]
    assert ids(model="openai/gpt-5.5") == []
    assert page["data"][0]["input"][0]["content"] == [{"type": "input_text", "text": "number 3"}]
    missing: dict[str, Any] = {"params" if by == "GET" else "json": {"after": "resp_none"}}
    refusal(client.request(by, DEPRECATED.url, **missing), 404)


@each
def test_openais_sdk_makes_streams_and_continues(server: LiveServer, api: Api) -> None:
    sdk = openai.OpenAI(base_url=api.sdk_address(server), api_key=server.key, max_retries=0)
    with sdk:
        made = sdk.responses.create(model="simulator/chat", input=[{"role": "user", "content": "Hello."}])
        assert "Hello." in made.output_text
        with sdk.responses.stream(model="simulator/chat", input="Go on.", previous_response_id=made.id) as told:
            texts = [event.delta for event in told if event.type == "response.output_text.delta"]
            final = told.get_final_response()
        assert "".join(texts) == final.output_text
        assert sdk.responses.retrieve(final.id).output_text == final.output_text
        tool: Any = WEATHER
        called = sdk.responses.create(model="simulator/chat", input="Use weather.", tools=[tool])
        (call,) = called.output
        assert call.type == "function_call"
        history: Any = [{"role": "user", "content": "Use weather."}, *called.output]
        history.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
        answered = sdk.responses.create(model="simulator/chat", input=history, tools=[tool])
        assert "sunny" in answered.output_text
        assert [item.type for item in sdk.responses.input_items.list(answered.id, order="asc")][1] == "function_call"
        sdk.responses.delete(answered.id)
        with pytest.raises(openai.NotFoundError):
            sdk.responses.retrieve(answered.id)

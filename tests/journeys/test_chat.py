"""A chat on each API: whole, streamed, and both the same."""

from __future__ import annotations

import httpx
import pytest

from tests.journeys.dialects import DIALECTS, Dialect, events, openai_deltas

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)


@each
def test_whole_and_streamed_chat_give_the_same_message(client: httpx.Client, dialect: Dialect) -> None:
    whole = client.post(dialect.url, json=dialect.chat(stream=False))
    assert whole.status_code == 200
    assert whole.headers["x-concordat-provider"] == "simulator"
    text = dialect.text(whole.json())
    assert len(text) > 10
    assert "".join(dialect.deltas(events(dialect.stream(client)))) == text


@each
def test_only_the_body_asks_for_a_stream(client: httpx.Client, dialect: Dialect) -> None:
    answer = client.post(dialect.url, json=dialect.chat(), headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"] == "application/json"


@each
def test_only_clients_that_know_it_see_done(client: httpx.Client, dialect: Dialect) -> None:
    texts = dialect.stream(client)
    assert (texts[-1] == "[DONE]") is dialect.ends_with_done
    assert "[DONE]" not in texts[:-1]


@each
def test_two_prompts_are_told_apart(client: httpx.Client, dialect: Dialect) -> None:
    one = client.post(dialect.url, json=dialect.chat())
    other = client.post(dialect.url, json=dialect.chat(messages=[{"role": "user", "content": "Something else."}]))
    assert dialect.text(one.json()) != dialect.text(other.json())


@each
def test_every_public_model_of_the_catalog_answers(client: httpx.Client, dialect: Dialect) -> None:
    for model in ("openai/gpt-5.5", "claude-sonnet-4.6"):
        assert client.post(dialect.url, json=dialect.chat(model)).status_code == 200


def test_llama_stack_events_come_in_order(client: httpx.Client) -> None:
    dialect = DIALECTS[2]
    kinds = [event["event"]["event_type"] for event in events(dialect.stream(client))]
    assert kinds[0] == "start"
    assert kinds[-1] == "complete"
    assert set(kinds[1:-1]) == {"progress"}


@pytest.mark.parametrize("dialect", [d for d in DIALECTS if d.deltas is openai_deltas], ids=lambda dialect: dialect.api)
def test_usage_is_streamed_when_asked_for(client: httpx.Client, dialect: Dialect) -> None:
    silent = events(dialect.stream(client))
    assert not any(chunk.get("usage") for chunk in silent)
    chunks = events(dialect.stream(client, stream_options={"include_usage": True}))
    usage = chunks[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert chunks[-1]["choices"] == []


@each
def test_stream_cut_by_its_vendor_ends_with_an_error_and_without_done(client: httpx.Client, dialect: Dialect) -> None:
    texts = dialect.stream(client, **{dialect.model_field: "simulator/cut-stream"})
    assert "error" in texts[-1].lower() or "detail" in texts[-1]
    assert "[DONE]" not in texts


@each
@pytest.mark.parametrize(("fault", "statuses"), [("error-429", {429}), ("error-400", {400}), ("error-500", {502, 503})])
@pytest.mark.parametrize("stream", [True, False])
def test_vendor_fault_before_the_first_byte_has_its_status(
    client: httpx.Client, dialect: Dialect, fault: str, statuses: set[int], stream: bool
) -> None:
    answer = client.post(dialect.url, json=dialect.chat(f"simulator/{fault}", stream=stream))
    assert answer.status_code in statuses
    assert answer.headers["content-type"] == "application/json"
    if answer.status_code == 429:
        assert int(answer.headers["retry-after"]) >= 1

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from codegen.generated.maniac.routes import RlmResponsesRetrieveParams
from handlers.core.errors import Invalid, NotFound
from handlers.core.jobs import Job
from handlers.maniac.rlm import rlm_responses_create, rlm_responses_retrieve
from providers.inference.interface import ChatRequest
from storage.tables.types import instant
from tests.unit.core.scripted import COST, Script, block, call_of
from tests.unit.handlers.bench import NOW, body_of, check_answer, content_of, make_call, make_services

CREATE, RETRIEVE = "POST /v1/rlm/responses", "GET /v1/rlm/responses/{response_id}"


@dataclass
class Board:
    """Jobs in memory, which nobody does."""

    jobs: dict[tuple[str | None, str], Job] = field(default_factory=dict)

    async def enter(self, job: Job) -> None:
        self.jobs[job.project_id, job.id] = job

    async def enqueue(self, kind: str, input: Any, project_id: str | None, *, job_id: str) -> Job:
        job = Job(job_id, project_id, kind, input, instant(NOW))
        await self.enter(job)
        return job

    async def get(self, project_id: str | None, job_id: str) -> Job:
        if (project_id, job_id) not in self.jobs:
            raise NotFound("none")
        return self.jobs[project_id, job_id]


async def create(script: Script, board: Board | None = None, **data: Any) -> Any:
    call = call_of(script, jobs=board or Board())
    try:
        return await rlm_responses_create(body_of({"model": "openai/gpt-5.5", "input": "a text"} | data), call)
    finally:
        await call.services.sandbox.close()


async def test_an_answer_is_what_the_document_says() -> None:
    board = Board()
    reply = await create(Script("openai", says=lambda request: "FINAL(42)"), board, metadata={"a": "b"})
    made = check_answer("maniac", CREATE, reply)
    part = {"type": "output_text", "text": "42", "annotations": []}
    assert made["output"][0]["content"] == [part]
    assert (made["status"], made["output_text"], made["metadata"]) == ("completed", "42", {"a": "b"})
    assert made["usage"] == {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    assert (made["created_at"], made["store"], made["error"]) == (int(NOW - 0.25), False, None)
    call = call_of(Script("openai"), jobs=board)
    again = await rlm_responses_retrieve(RlmResponsesRetrieveParams(made["id"]), call)
    assert check_answer("maniac", RETRIEVE, again) == made
    with pytest.raises(NotFound):
        await rlm_responses_retrieve(RlmResponsesRetrieveParams("resp_other"), call)


async def test_a_failed_run_says_why_and_what_it_cost() -> None:
    reply = await create(Script("openai", says=lambda request: block("1")), rlm={"max_iterations": 1.0})
    made = check_answer("maniac", CREATE, reply)
    assert (made["status"], made["output"], made["output_text"]) == ("failed", None, None)
    assert made["error"]["code"] == "MAX_ITERATIONS_EXCEEDED"
    assert made["error"]["details"] == {"model_calls": 1, "cost_usd": COST / 1_000_000}


async def test_a_run_in_the_background_is_told_at_once() -> None:
    board, script = Board(), Script("openai")
    made = check_answer("maniac", CREATE, await create(script, board, background=True, store=False))
    assert (made["status"], made["output"], made["usage"], script.asked) == ("in_progress", None, None, [])
    found = await rlm_responses_retrieve(RlmResponsesRetrieveParams(made["id"]), call_of(script, jobs=board))
    assert check_answer("maniac", RETRIEVE, found) == made


async def test_without_a_wish_to_be_kept_nothing_is() -> None:
    board = Board()
    await create(Script("openai", says=lambda request: "FINAL(42)"), board, store=False)
    assert board.jobs == {}


async def test_parts_of_a_message_are_one_text() -> None:
    parts = [{"text": "one, "}, {"type": "input_text", "text": "two"}]
    script = Script("openai", says=lambda request: "FINAL(42)")
    await create(script, input=[{"role": "user", "content": parts}, {"role": "assistant", "content": "three"}])
    assert isinstance(script.asked[0], ChatRequest)
    assert "[0] user, 8 characters: one, two" in script.asked[0].messages[1]["content"]


async def test_every_control_reaches_the_run() -> None:
    board = Board()
    controls = {
        "engine": "lambda",
        "max_depth": 3,
        "max_iterations": 4,
        "max_budget": 0.25,
        "max_timeout": 30,
        "enabled_tools": ["browser_read_page"],
        "tool_config": {"browser_read_page": {"max_characters": 500}},
    }
    data = {"rlm": controls, "reasoning": {"effort": "low"}, "instructions": "Sum it up.", "background": True}
    made = content_of(await create(Script("openai"), board, **data))
    asked = board.jobs["project-1", made["id"]].input["ask"]
    assert asked["bounds"] == {"max_depth": 3, "max_iterations": 4, "max_budget_usd": "0.25", "max_seconds": 30}
    assert (asked["engine"], asked["effort"], asked["instructions"]) == ("lambda", "low", "Sum it up.")
    assert (list(asked["tools"]), asked["tool_config"]) == (["browser_read_page"], controls["tool_config"])


async def test_explicit_nulls_are_the_same_as_nothing() -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        ("instructions", "background", "reasoning", "metadata", "store", "stream", "rlm")
    )
    made = content_of(await create(Script("openai", says=lambda request: "FINAL(42)"), **nulls))
    assert (made["output_text"], made["metadata"]) == ("42", {})
    inner: dict[str, Any] = {
        "rlm": dict.fromkeys(("engine", "max_depth", "enabled_tools", "tool_config")),
        "reasoning": {"effort": None},
    }
    assert content_of(await create(Script("openai", says=lambda request: "FINAL(42)"), **inner))["output_text"] == "42"


@pytest.mark.parametrize("data", [{"store": True}, {"stream": True}, {"input": ""}, {"metadata": {"a": "\0"}}])
async def test_what_the_document_rules_out_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await create(Script("openai"), **data)


async def test_a_simulated_answer_says_so() -> None:
    call = make_call("maniac", make_services(jobs=Board()))
    body = {"model": "simulator/chat", "input": "Hello", "rlm": {"engine": "lambda"}}
    reply = await rlm_responses_create(body_of(body), call)
    assert reply.headers == {"X-Concordat-Provider": "simulator"}

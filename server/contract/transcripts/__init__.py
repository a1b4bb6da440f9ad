"""The rules that streams keep, by API and operation: which events, in which order, and how they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from server.contract import sse
from server.contract.documents import Judge
from server.contract.transcripts import llama, openai, responses
from server.contract.transcripts.rules import DONE, Rules, Told, endings, is_error, objects

CHAT = Rules(openai.chat, done=True)
LLAMA_CHAT = Rules(llama.chat, comments=False)
LLAMA_TURN = Rules(llama.turn, comments=False)
OTHER = Rules(lambda told: ())
"""Of a stream that no rules are written for: it is well formed, and ends as its events do."""

RULES: Mapping[str, Mapping[str, Rules]] = {
    "maniac": {"chat_completions_create": CHAT},
    "ipop": {
        "chat_completions_create": CHAT,
        "responses_create": Rules(responses.metered, named=True),
        "responses_get": Rules(responses.metered, named=True),
    },
    "llama_stack": {
        "chat_completions_create": LLAMA_CHAT,
        "completions_create": Rules(llama.text, comments=False),
        "agent_turns_create": LLAMA_TURN,
    },
    "llama_stack_deprecated": {
        "chat_completions_create": Rules(openai.chat),
        "completions_create": Rules(openai.text),
        "responses_create": Rules(responses.response),
        "agent_turns_create": LLAMA_TURN,
        "agent_turns_resume": LLAMA_TURN,
    },
}


def rules_of(api: str, operation_id: str) -> Rules:
    return RULES.get(api, {}).get(operation_id, OTHER)


def judge(rules: Rules, content: bytes, asked: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a stream, in words. `asked` is the request's body or query."""
    transcript = sse.read(content)
    yield from transcript.faults
    if not transcript.events:
        yield "it has no events"
        return
    if transcript.comments and not rules.comments:
        yield "it has comments, which this API's readers take for events"
    told = [event for event in transcript.events if event.data != DONE]
    bodies, faults = objects(told)
    yield from faults
    if faults:
        return
    story = Told(bodies, [event.name for event in told], asked)
    if any(is_error(body) for body in bodies[:-1]):
        yield "it goes on after an error"
    if rules is not OTHER:
        yield from endings(transcript.events, rules.done, story.failed)
        yield from _names(story, rules)
    yield from rules.rule(story)


def judge_events(judge: Judge, pointer: str, content: bytes) -> Iterator[str]:
    """What keeps a stream's events from being what their document says that each is. An error that ends it is none."""
    bodies, _ = objects([event for event in sse.read(content).events if event.data != DONE])
    for number, body in enumerate(bodies):
        if not is_error(body):
            yield from (f"event {number}: {fault.says}" for fault in judge.faults(pointer, body))


def _names(told: Told, rules: Rules) -> Iterator[str]:
    for body, name in zip(told.bodies, told.names, strict=True):
        expected = str(body.get("type", "")) if rules.named and not is_error(body) else ""
        if name != expected:
            yield f"an event is named {name!r} where {expected!r} is to be"
            return

"""What models are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.core.rlm.ask import RlmAsk
from handlers.core.rlm.toolbox import READ, SEARCH

LONGEST_PREVIEW = 2000
LONGEST_OUTPUT = 8000
SHOWN_MESSAGES = 20
EXCERPT = 500

_WORK = """\
You answer a question about a text that may be far too long to read at once. You do not see it: it is the variable \
`context` of a Python session. You work in steps. In each step you write Python in one block

```repl
print(len(context))
```

and are then shown what it printed. Variables, functions and imports stay from step to step.

The session is Python with the usual built-ins and `re`, `json`, `math`, `datetime`, `collections` and the like. There \
are no files, no network and no other packages. What is printed is cut at {output} characters, and a block may compute \
for some seconds only: print extracts, not everything.

Functions beside the usual ones:
{functions}

Usual ways: look at the beginning and the structure first. Cut the text into pieces that a model can read (it reads \
about {readable} characters at a time) and ask about each piece, keep the answers in variables, and put them together. \
Search with `re` where that is enough.

When you know the answer, write, outside of any block and on a line of its own, either `FINAL(the answer)` or \
`FINAL_VAR(name)` for the variable that holds it. In a block, `FINAL(value)` and `FINAL_VAR("name")` do the same. \
Nothing else ends the work. You have {iterations} steps."""

_FUNCTIONS = {
    "llm_query": "`llm_query(prompt)` asks a model and answers its text. It sees nothing but the prompt.",
    "llm_query_batched": "`llm_query_batched(prompts)` asks about many prompts at the same time: a list of texts in the"
    " order of the prompts. One that failed reads `[error: ...]`.",
    "rlm_query": "`rlm_query(prompt, context)` gives a part of the work, with a text of its own that may be long, to a"
    " helper that works as you do, and answers its text.",
    SEARCH: '`web_search(query)` searches the web: a list of dicts with "title", "url" and "text".',
    READ: "`browser_read_page(url)` answers the text of a page of the web.",
}

NOTHING_TO_RUN = "There was no complete ```repl block and no FINAL in your answer. Write one of them."
LAST_STEP = "This is your last step: give the answer now, with FINAL or FINAL_VAR."
LEFT_OUT = "[Earlier steps are left out here. Their variables are still there.]"


def system_text(functions: Sequence[str], readable: int, iterations: int) -> str:
    told = "\n".join(f"- {_FUNCTIONS[name]}" for name in functions)
    return _WORK.format(functions=told, output=LONGEST_OUTPUT, readable=readable, iterations=iterations)


def opening(question: str | None, context: Any, room: int) -> str:
    """The first message: what is asked, and what `context` looks like, in about `room` characters besides."""
    asked = question or "Do what the text itself asks for, or answer it."
    return f"The question:\n{asked}\n\n{_look(context, min(room, LONGEST_PREVIEW))}"


def _look(context: Any, room: int) -> str:
    if isinstance(context, str):
        whole = len(context) <= room
        shown = "All of it" if whole else "Its beginning and its end"
        return f"`context` is a text of {len(context)} characters. {shown}:\n{excerpt(context, room)}"
    lines = [
        f"[{number}] {message['role']}, {len(message['content'])} characters: {excerpt(message['content'], room // 4)}"
        for number, message in list(enumerate(context))[-SHOWN_MESSAGES:]
    ]
    head = f'`context` is a list of {len(context)} messages, dicts with "role" and "content". The last of them:'
    return "\n".join([head, *lines])


def excerpt(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    tail = room // 4
    return f"{text[: room - tail]}\n[...]\n{text[len(text) - tail :]}"


def output_text(printed: str, error: str | None, room: int) -> str:
    """What a block of code came to, as the model is shown it."""
    most = min(room, LONGEST_OUTPUT)
    kept = printed if len(printed) <= most else f"{printed[:most]}\n[{len(printed) - most} more characters]"
    failed = f"\n{excerpt(error, LONGEST_PREVIEW)}" if error else ""
    return f"Output:\n{kept or ('' if error else '(nothing was printed)')}{failed}"


def part_messages(ask: RlmAsk, piece: str, number: str) -> list[dict[str, Any]]:
    """For a piece of a text that is answered in pieces."""
    told = (
        f"You are given a part ({number}) of a longer text, which others read the rest of. {_task(ask)}\n"
        "Write down, briefly, all that this part holds for it, with what is needed to put the parts together. When it"
        " holds nothing, say so."
    )
    return [{"role": "system", "content": told}, {"role": "user", "content": piece}]


def merge_messages(ask: RlmAsk, parts: Sequence[str], is_last: bool) -> list[dict[str, Any]]:
    """For what was found in the parts of a text."""
    how = "Answer from it." if is_last else "Put it together, briefly, and leave out nothing that is needed for it."
    told = f"A long text was read in parts. You are given what was found in each, in order. {_task(ask)}\n{how}"
    found = "\n\n".join(f"Part {number}:\n{part}" for number, part in enumerate(parts, 1))
    return [{"role": "system", "content": told}, {"role": "user", "content": found}]


def whole_messages(ask: RlmAsk) -> list[dict[str, Any]]:
    """For a text that is short enough."""
    if isinstance(ask.input, str):
        given: list[Mapping[str, str]] = [{"role": "user", "content": ask.input}]
    else:
        given = [{"role": message["role"], "content": message["content"]} for message in ask.input]
    told = [{"role": "system", "content": ask.instructions}] if ask.instructions else []
    return [*told, *map(dict, given)]


def _task(ask: RlmAsk) -> str:
    if ask.question:
        return f"This is to be done with the text:\n{ask.question}\n"
    return (
        f"The text itself says what is to be done with it. Its beginning and its end:\n{excerpt(ask.text, EXCERPT)}\n"
    )

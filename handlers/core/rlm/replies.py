"""Reading what a model wrote in the classic engine: code to be run, and a final answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

_CODE = re.compile(r"^```(?:repl|python|py)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```[ \t]*$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"^[ \t]*FINAL_VAR\([ \t]*[\"'`]?([A-Za-z_]\w*)[\"'`]?[ \t]*\)", re.MULTILINE)
_ANSWER = re.compile(r"^[ \t]*FINAL\((.*)\)[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """`code` are the blocks in order. What is said outside of them may be the final answer, or name the variable that
    holds it."""

    code: tuple[str, ...]
    answer: str | None = None
    variable: str | None = None


def read_reply(text: str) -> Reply:
    code = tuple(block.group(1) for block in _CODE.finditer(text))
    spoken = _FENCED.sub("", text)
    if variable := _VARIABLE.search(spoken):
        return Reply(code, variable=variable[1])
    answer = _ANSWER.search(spoken)
    return Reply(code, answer=answer[1].strip() if answer else None)


def as_text(value: Any) -> str:
    """A value of the sandbox as an answer. Raises `TypeError` for one that has no text."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise TypeError(f"a {type(value).__name__} is no text: turn it into one") from None

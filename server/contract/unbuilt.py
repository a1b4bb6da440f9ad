"""Operations that nobody has written: each says so, in its API's words, to whoever may ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import httpx

from codegen.operation import Operation
from server.contract.documents import Answer

TEMPLATE = re.compile(r"\{[^}]+\}")


def ask(client: httpx.Client, operations: Iterable[Operation]) -> Iterator[tuple[Operation, Answer]]:
    """One request of each, without a body: what is not there does not read it."""
    for operation in operations:
        answer = client.request(operation.method, TEMPLATE.sub("any", operation.path).lstrip("/"))
        headers = {name.lower(): value for name, value in answer.headers.items()}
        yield operation, Answer(operation.method.upper(), operation.path, answer.status_code, headers, answer.content)


def faults(answer: Answer) -> Iterator[str]:
    if answer.status != 501:
        yield f"it is not built, and answers {answer.status} instead of 501"
    elif answer.method != "HEAD" and not answer.content:
        yield "501 comes without a word"

"""Python for code that nobody trusts: no files, no network, no host; time, memory and output are bounded.

A session is a value: its state as bytes, from which any process goes on. So nothing waits in a process while the code
waits for an answer from us, and a state from before a mishap is as good as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Conditions:
    """What code can see of the world. The same code under the same conditions does the same: `now` stands still, and
    `seed` is that of all chance. `functions` are names that code may call to ask us something."""

    seed: str
    now: datetime
    functions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """Code has called a function of ours and waits; `paused` is where it stands."""

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    paused: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """What the function answers: a value, or the message of a `RuntimeError`."""

    value: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """What code came to. `printed` is its output since it was begun or went on, cut where it is endless. It waits for
    an answer (`asked`), or is over, with an `error` in Python's words when it failed. `state` is None when it was
    stopped for its time or memory: then the session is what it was before."""

    printed: str
    asked: Asked | None = None
    error: str | None = None
    state: bytes | None = None


class Sandbox(Protocol):
    """Cancelling a call stops the code. Raises only `providers.errors.Unavailable`, when there is no sandbox."""

    async def open(self, variables: Mapping[str, Any], conditions: Conditions) -> bytes:
        """A new session that has these variables, JSON values. Raises `Refused` when they do not fit into it."""
        ...

    async def run(self, state: bytes, code: str, conditions: Conditions) -> Halt: ...

    async def go_on(self, asked: Asked, given: Given, conditions: Conditions) -> Halt: ...

    async def close(self) -> None: ...

"""Sandboxed Python by `pydantic-monty`: an interpreter of its own, in processes of its own, imported on first need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from providers.errors import Refused, Unavailable
from providers.sandbox.interface import Asked, Conditions, Given, Halt

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, AsyncMontySession, AsyncSnapshot

STOPPED = (TimeoutError, MemoryError)
"""What the interpreter raises at a limit. Its heap is then in no good order."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` are of computing, between two answers of ours. `printed_characters` is what is kept of one output."""

    seconds: float = 5.0
    memory_bytes: int = 256 * 2**20
    printed_characters: int = 100_000
    processes: int = 4


@dataclass(slots=True)
class Monty:
    """Code runs in at most `limits.processes` processes at a time, the rest waits. `interpreter` is the program that
    they run, where it is not the one that comes with the package."""

    limits: Limits = Limits()
    interpreter: str | None = None
    _pool: AsyncMonty | None = field(default=None, init=False)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def open(self, variables: Mapping[str, Any], conditions: Conditions) -> bytes:
        from pydantic_monty import MontyError

        async with self._session(conditions) as session:
            try:
                await session.feed_run("pass", inputs=dict(variables))
                return await session.dump()
            except MontyError as error:
                raise Refused(f"the input does not fit into the sandbox: {error}", status=413) from error

    async def run(self, state: bytes, code: str, conditions: Conditions) -> Halt:
        printed = _Printed(self.limits.printed_characters)
        names = _names(conditions)
        async with self._session(conditions) as session:
            await session.load_session(state)
            return await _drive(
                session, session.feed_start(code, external_lookup=names, print_callback=printed), names, printed
            )

    async def go_on(self, asked: Asked, given: Given, conditions: Conditions) -> Halt:
        from pydantic_monty import AsyncFunctionSnapshot

        printed = _Printed(self.limits.printed_characters)
        names = _names(conditions)
        async with self._session(conditions) as session:
            paused = await session.load_snapshot(asked.paused, external_lookup=names, print_callback=printed)
            assert isinstance(paused, AsyncFunctionSnapshot)
            answer: Any = {"return_value": given.value}
            if given.error is not None:
                answer = {"exc_type": "RuntimeError", "message": given.error}
            return await _drive(session, paused.resume(answer), names, printed)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__(None, None, None)

    @asynccontextmanager
    async def _session(self, conditions: Conditions) -> AsyncIterator[AsyncMontySession]:
        from pydantic_monty import MontyError

        pool = await self._opened()
        async with AsyncExitStack() as stack:
            checkout = pool.checkout(
                limits={
                    "max_turn_duration_secs": self.limits.seconds,
                    "max_memory": self.limits.memory_bytes,
                    "max_suspensions": 100_000,
                },
                os_policy={
                    "datetime": conditions.now,
                    "sleep": "zero",
                    "random_start": {"seed": conditions.seed},
                },
            )
            try:
                session = await stack.enter_async_context(checkout)
            except RuntimeError as error:
                raise Unavailable("the sandbox cannot be started") from error
            try:
                yield session
            except MontyError as error:
                raise Unavailable("the sandbox failed") from error

    async def _opened(self) -> AsyncMonty:
        from pydantic_monty import AsyncMonty

        async with self._opening:
            if self._pool is None:
                pool = AsyncMonty(binary_path=self.interpreter, min_processes=0, max_processes=self.limits.processes)
                self._pool = await pool.__aenter__()
        return self._pool


class _Printed:
    """Keeps the beginning of an output, and how long it was."""

    def __init__(self, most_characters: int) -> None:
        self._left = most_characters
        self._pieces: list[str] = []
        self._dropped = 0

    def __call__(self, stream: str, text: str) -> None:
        kept = text[: self._left]
        self._left -= len(kept)
        self._dropped += len(text) - len(kept)
        if kept:
            self._pieces.append(kept)

    @property
    def text(self) -> str:
        cut = f"\n[{self._dropped} more characters]" if self._dropped else ""
        return "".join(self._pieces) + cut


def _names(conditions: Conditions) -> dict[str, Any]:
    """The interpreter wants something callable for each name; it is never called here."""
    return dict.fromkeys(conditions.functions, print)


async def _drive(session: AsyncMontySession, begun: Any, names: Mapping[str, Any], printed: _Printed) -> Halt:
    """`begun` awaits the first thing that the code came to. What is asked of anybody but us is refused by default."""
    from pydantic_monty import AsyncFunctionSnapshot, MontyComplete, MontyCrashedError, MontyError

    try:
        came_to: AsyncSnapshot = await begun
        while not isinstance(came_to, MontyComplete):
            if isinstance(came_to, AsyncFunctionSnapshot) and _is_ours(came_to, names):
                paused = await session.dump()
                return Halt(printed.text, Asked(came_to.function_name, came_to.args, came_to.kwargs, paused))
            came_to = await came_to.resume_auto()
        if came_to.output is not None and not printed.text:
            printed("stdout", f"{came_to.output!r}\n")
    except MontyCrashedError:
        return Halt(printed.text, error="MemoryError: the code was stopped")
    except MontyError as error:
        state = None if isinstance(error.exception(), STOPPED) else await session.dump()
        return Halt(printed.text, error=_told(error), state=state)
    return Halt(printed.text, state=await session.dump())


def _is_ours(snapshot: Any, names: Mapping[str, Any]) -> bool:
    return not snapshot.is_os_function and snapshot.object_id is None and snapshot.function_name in names


def _told(error: Any) -> str:
    display = getattr(error, "display", None)
    return str(display()) if display else str(error)

"""The classic engine: a model that works on its input in a Python session, step by step, and may ask itself about parts
of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.core.asks import Message
from handlers.core.errors import CoreError
from handlers.core.rlm import texts
from handlers.core.rlm.calls import Asker, Frame, Place, is_fatal, together
from handlers.core.rlm.limits import out_of_iterations
from handlers.core.rlm.replies import Reply, as_text, read_reply
from handlers.core.rlm.toolbox import READ, SEARCH, Toolbox
from handlers.core.routing import translate
from providers.errors import ProviderError
from providers.sandbox.interface import Asked, Conditions, Given, Sandbox

FINAL, FINAL_VAR = "FINAL", "FINAL_VAR"
MOST_CALLS = 1000
"""Of our functions, in one step."""
MOST_PROMPTS = 500
"""In one batch."""
LONGEST_ANSWER = 4 * 2**20
CHARACTERS_PER_TOKEN = 2
MOST_HISTORY = 400_000
"""In characters, whatever the model could read."""

Tell = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Classic:
    """`tell` is told how far the run has come, from 0 to 1."""

    frame: Frame
    asker: Asker
    toolbox: Toolbox
    tell: Tell

    async def answer(self) -> str:
        """Raises `CoreError`."""
        ask = self.frame.ask
        context: Any = ask.input if isinstance(ask.input, str) else [dict(message) for message in ask.input]
        return await _Level(self, Place("", 0), ask.question, context).answer()

    @property
    def readable(self) -> int:
        """How many characters of a conversation the model is given at most."""
        return min(self.frame.context_tokens * CHARACTERS_PER_TOKEN, MOST_HISTORY)

    @property
    def sandbox(self) -> Sandbox:
        return self.frame.call.services.sandbox

    def functions(self, depth: int) -> tuple[str, ...]:
        deeper = ("rlm_query",) if depth + 1 < self.frame.ask.bounds.max_depth else ()
        return ("llm_query", "llm_query_batched", *deeper, *self.toolbox.names)


class _Misused(Exception):
    """Code called a function of ours in a way that it does not have; the message says so."""


class _Level:
    """One level of the recursion: a conversation and a session of its own."""

    def __init__(self, engine: Classic, place: Place, question: str | None, context: Any) -> None:
        self._engine = engine
        self._place = place
        self._question = question
        self._context = context
        self._functions = engine.functions(place.depth)
        now = datetime.fromtimestamp(engine.frame.created_at, UTC)
        names = frozenset({*self._functions, FINAL, FINAL_VAR, "rlm_query"})
        self._conditions = Conditions(f"{engine.frame.response_id}{place.path}", now, names)
        self._state = b""
        self._calls = 0
        self._step = ""

    async def answer(self) -> str:
        try:
            self._state = await self._engine.sandbox.open({"context": self._context}, self._conditions)
            return await self._work()
        except ProviderError as error:
            raise translate(error) from error

    async def _work(self) -> str:
        most = self._engine.frame.ask.bounds.max_iterations
        readable = self._engine.readable
        messages: list[Message] = [
            {"role": "system", "content": texts.system_text(self._functions, readable, most)},
            {"role": "user", "content": texts.opening(self._question, self._context, readable // 4)},
        ]
        for number in range(most):
            if number == most - 1:
                messages[-1] = {"role": "user", "content": f"{messages[-1]['content']}\n\n{texts.LAST_STEP}"}
            self._step, self._calls = f"{self._place.path}{number}", 0
            place = Place(self._step, self._place.depth, self._place.crowd)
            said = await self._engine.asker.say(place, fit(messages, readable))
            answer, shown = await self._act(read_reply(said))
            if answer is not None:
                return answer
            messages += [{"role": "assistant", "content": said or "(nothing)"}, {"role": "user", "content": shown}]
            if not self._place.depth:
                await self._engine.tell((number + 1) / (most + 1))
        raise out_of_iterations(most)

    async def _act(self, reply: Reply) -> tuple[str | None, str]:
        """The final answer if there is one, and what the model is shown else. An answer that was given together with
        code that failed was given too early."""
        outputs = []
        for code in reply.code:
            answer, output, failed = await self._run(code)
            if answer is not None:
                return answer, ""
            outputs.append(output)
            if failed:
                return None, "\n\n".join(outputs)
        if reply.variable is not None:
            answer, output, _ = await self._run(f"{FINAL}({reply.variable})")
            return answer, output
        return reply.answer, "\n\n".join(outputs) or texts.NOTHING_TO_RUN

    async def _run(self, code: str) -> tuple[str | None, str, bool]:
        """The final answer that the code gave, what is shown of it, and whether it failed."""
        sandbox, variable = self._engine.sandbox, None
        halt = await sandbox.run(self._state, code, self._conditions)
        printed = [halt.printed]
        while (asked := halt.asked) is not None:
            try:
                if asked.name == FINAL:
                    return _final(asked), "", False
                if asked.name == FINAL_VAR:
                    variable = _variable(asked)
                    given = Given()
                else:
                    given = Given(await self._answer(asked))
            except _Misused as error:
                given = Given(error=str(error))
            except CoreError as error:
                if is_fatal(error):
                    raise
                given = Given(error=error.message)
            halt = await sandbox.go_on(asked, given, self._conditions)
            printed.append(halt.printed)
        self._state = halt.state or self._state
        if variable is not None and halt.error is None:
            return await self._run(f"{FINAL}({variable})")
        output = texts.output_text("".join(printed), halt.error, self._engine.readable // 4)
        return None, output, halt.error is not None

    async def _answer(self, asked: Asked) -> Any:
        self._calls += 1
        if self._calls > MOST_CALLS:
            raise _Misused(f"one step may call functions {MOST_CALLS} times")
        place = f"{self._step}.{self._calls}"
        match asked.name:
            case "llm_query":
                return await self._ask(_text(asked, 0, "prompt"), self._under(place))
            case "llm_query_batched":
                return await self._ask_each(_texts(asked), place)
            case "rlm_query":
                context = asked.kwargs.get("context", asked.args[1] if len(asked.args) > 1 else None)
                return await self._recurse(_text(asked, 0, "prompt"), context, place)
        name = {SEARCH: "query", READ: "url"}[asked.name]
        return await self._engine.toolbox.use(asked.name, _text(asked, 0, name), place)

    def _under(self, path: str, crowd: int = 1) -> Place:
        return Place(path, self._place.depth + 1, crowd)

    async def _ask(self, prompt: str, place: Place) -> str:
        return await self._engine.asker.say(place, [{"role": "user", "content": prompt}])

    async def _ask_each(self, prompts: Sequence[str], place: str) -> list[str]:
        async def one(number: int) -> str:
            try:
                return await self._ask(prompts[number], self._under(f"{place}.{number}", len(prompts)))
            except CoreError as error:
                if is_fatal(error):
                    raise
                return f"[error: {error.message}]"

        return await together([one(number) for number in range(len(prompts))])

    async def _recurse(self, prompt: str, context: Any, place: str) -> str:
        """At the greatest depth it is one question, with all of the text."""
        if "rlm_query" in self._functions:
            under = Place(f"{place}/", self._place.depth + 1)
            return await _Level(self._engine, under, prompt, prompt if context is None else context).answer()
        whole = prompt if context is None else f"{prompt}\n\n{_as_text(context)}"
        return await self._ask(whole, self._under(place))


def fit(messages: Sequence[Message], most_characters: int) -> list[Message]:
    """Without the oldest steps that the model cannot read beside the rest. What is asked stays, and the last step."""
    head, steps = list(messages[:2]), list(messages[2:])
    size = sum(len(message["content"]) for message in messages)
    dropped = False
    while size > most_characters and len(steps) > 2:
        size -= sum(len(message["content"]) for message in steps[:2])
        del steps[:2]
        dropped = True
    return [*head, *([{"role": "user", "content": texts.LEFT_OUT}] if dropped else []), *steps]


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    if name in kwargs:
        return kwargs[name]
    if len(args) > position:
        return args[position]
    raise _Misused(f"the argument {name} is missing")


def _text(asked: Asked, position: int, name: str) -> str:
    return _as_text(_argument(asked.args, asked.kwargs, position, name))


def _as_text(value: Any) -> str:
    try:
        return as_text(value)
    except TypeError as error:
        raise _Misused(str(error)) from None


def _texts(asked: Asked) -> list[str]:
    prompts = _argument(asked.args, asked.kwargs, 0, "prompts")
    if not isinstance(prompts, list | tuple):
        raise _Misused("llm_query_batched takes a list of texts")
    if len(prompts) > MOST_PROMPTS:
        raise _Misused(f"llm_query_batched takes at most {MOST_PROMPTS} prompts at a time")
    return [_as_text(prompt) for prompt in prompts]


def _final(asked: Asked) -> str:
    answer = _as_text(_argument(asked.args, asked.kwargs, 0, "answer"))
    if len(answer) > LONGEST_ANSWER:
        raise _Misused(f"an answer may have {LONGEST_ANSWER} characters, and this has {len(answer)}")
    return answer


def _variable(asked: Asked) -> str:
    """Its name; a value in place of a name is refused, for `FINAL` is there for that."""
    name = _argument(asked.args, asked.kwargs, 0, "name")
    if not isinstance(name, str) or not name.isidentifier():
        raise _Misused("FINAL_VAR takes the name of a variable, as a text")
    return name

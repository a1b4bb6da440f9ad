"""Exceptions as apps report them, and as they are kept.

The document leaves their shape open. Read are `type` (or `name`), `message` (or `value`), and the calls: `stacktrace`
or `stack` as text, `frames`, newest call first, or `stacktrace.frames`, oldest first, as Sentry's SDKs have them. What
it was caused by is its `cause`; `values` is a list of exceptions, the outermost last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handlers.core.source_maps.stacks import Frame, read_stack, write_stack

if TYPE_CHECKING:
    from handlers.core.source_maps.parse import Position

MOST_EXCEPTIONS = 8
MOST_FRAMES = 128
FRAMES_WITH_CONTEXT = 16
CONTEXT_LINES = 3
LONGEST_TEXT = 16_384
LONGEST_CONTEXT_LINE = 240

Find = Callable[[Frame], "Position | None"]


@dataclass(frozen=True, slots=True)
class Thrown:
    """An exception; its frames are newest first."""

    type: str | None
    message: str | None
    frames: Sequence[Frame]

    @property
    def header(self) -> str:
        return ": ".join(text for text in (self.type, self.message) if text) or "Error"


def read_exceptions(exception: Mapping[str, Any]) -> list[Thrown]:
    """The outermost first, then what caused it."""
    return [_thrown(one) for one in _chain(exception)]


def kept_of(thrown: Sequence[Thrown], find: Find) -> dict[str, Any]:
    """As attributes, in the names of OpenTelemetry's conventions; `exception.frames` are the outermost's."""
    context = _Context()
    shown = [_show(one, find, context) for one in thrown]
    stacks = [
        write_stack(("Caused by: " if number else "") + one.header, [_line(frame) for frame in frames])
        for number, (one, frames) in enumerate(zip(thrown, shown, strict=True))
    ]
    kept = {
        "exception.type": thrown[0].type,
        "exception.message": thrown[0].message,
        "exception.stacktrace": "\n".join(stacks) if any(shown) else None,
        "exception.frames": shown[0] or None,
    }
    return {name: value for name, value in kept.items() if value is not None}


def _chain(exception: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    values = exception.get("values")
    if isinstance(values, list):
        told = [one for one in values if isinstance(one, Mapping)]
        yield from reversed(told[-MOST_EXCEPTIONS:])
        return
    one: Any = exception
    for _ in range(MOST_EXCEPTIONS):
        if not isinstance(one, Mapping):
            return
        yield one
        one = one.get("cause")


def _thrown(told: Mapping[str, Any]) -> Thrown:
    named, said = told.get("type", told.get("name")), told.get("message", told.get("value"))
    return Thrown(_text(named), _text(said), _frames(told))


def _frames(told: Mapping[str, Any]) -> list[Frame]:
    stack = told.get("stacktrace", told.get("stack"))
    if isinstance(stack, str):
        return read_stack(stack, MOST_FRAMES)
    listed = told.get("frames")
    if isinstance(stack, Mapping) and isinstance(stack.get("frames"), list):
        listed = stack["frames"][::-1]
    if not isinstance(listed, list):
        return []
    return [_frame(one) for one in listed[:MOST_FRAMES] if isinstance(one, Mapping)]


def _frame(told: Mapping[str, Any]) -> Frame:
    file = next((told[name] for name in ("abs_path", "filename", "file", "url") if _text(told.get(name))), None)
    line, column = (_count(told, *names) for names in (("lineno", "line"), ("colno", "column", "col")))
    function = _text(told.get("function"))
    text = f"{function or '<anonymous>'} ({file or '<unknown>'}:{line}:{column})"
    return Frame(text, function, file[:LONGEST_TEXT] if file and line else None, line, column)


def _count(told: Mapping[str, Any], *names: str) -> int:
    found = next((told[name] for name in names if name in told), 0)
    return found if type(found) is int and 0 < found < 2**31 else 0


def _text(value: Any) -> str | None:
    return value[:LONGEST_TEXT] if isinstance(value, str) and value else None


def _show(thrown: Thrown, find: Find, context: _Context) -> list[dict[str, Any]]:
    """A function has the name by which its caller calls it: what a map says of its own place is of the code there."""
    found = [find(frame) for frame in thrown.frames]
    shown: list[dict[str, Any]] = []
    for index, (frame, position) in enumerate(zip(thrown.frames, found, strict=True)):
        generated = {"function": frame.function, "file": frame.file, "line": frame.line, "column": frame.column}
        if frame.file is None:
            shown.append({"text": frame.text, "symbolicated": False})
        elif position is None:
            shown.append({**generated, "symbolicated": False})
        else:
            caller = found[index + 1] if index + 1 < len(found) else None
            called = caller.name if caller is not None and frame.function else None
            original = {"function": called or frame.function, "file": position.source}
            place = {"line": position.line + 1, "column": position.column + 1}
            around = context.of(position) if index < FRAMES_WITH_CONTEXT else None
            extra = {"context": around} if around else {}
            shown.append({**original, **place, "symbolicated": True, **extra, "generated": generated})
    return shown


def _line(shown: Mapping[str, Any]) -> str:
    if "text" in shown:
        return str(shown["text"]).removeprefix("at ")
    place = f"{shown['file']}:{shown['line']}:{shown['column']}"
    return f"{shown['function']} ({place})" if shown["function"] else place


class _Context:
    """Lines of original sources around a place; a source is split once."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], list[str]] = {}

    def of(self, position: Position) -> dict[str, Any] | None:
        if position.content is None:
            return None
        key = (position.source, id(position.content))
        lines = self._lines.get(key)
        if lines is None:
            lines = self._lines[key] = position.content.split("\n")
        start = max(0, position.line - CONTEXT_LINES)
        around = lines[start : position.line + CONTEXT_LINES + 1]
        return {"start": start + 1, "lines": [line[:LONGEST_CONTEXT_LINE] for line in around]} if around else None

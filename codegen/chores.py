"""What a change of the documents leaves to people: handlers to write, to change and to delete.

What was generated last is what a change is measured by, so neither a copy of the old document nor git is needed.
"""

from __future__ import annotations

import ast
import json
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from codegen.diff import Difference, compare, key_of, render
from codegen.load import DocumentError
from codegen.operation import Operation, signature

WORDS = {
    "write": "To write",
    "change": "To change",
    "delete": "To delete, with what only they use",
}
NOT_COMPARED = "Not compared, as nothing was generated before, or nothing that can be read.\n"


@dataclass(frozen=True, slots=True)
class Generated:
    """What is generated for one API: the overlaid document and its operations, by what clients tell them apart by."""

    document: dict[str, Any]
    operations: dict[tuple[str, str], Operation]


@dataclass(frozen=True, slots=True)
class Chore:
    """`kind` is one of `WORDS`; `file` is relative to the folder of the handlers' package, `text` may have lines."""

    kind: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a change means for one API: to its clients, and to those who write its handlers. No `difference` is there
    where nothing was generated before, or nothing that can be read."""

    api: str
    difference: Difference | None
    chores: tuple[Chore, ...]

    def __str__(self) -> str:
        parts = [f"{self.api}\n", NOT_COMPARED if self.difference is None else render(self.difference)]
        for kind, title in WORDS.items():
            chores = [chore for chore in self.chores if chore.kind == kind]
            if chores:
                parts.append(f"{title} ({len(chores)})\n" + "".join(_render_files(chores)))
        return "\n".join(parts)


def _render_files(chores: list[Chore]) -> Iterator[str]:
    for file in dict.fromkeys(chore.file for chore in chores):
        yield f"  {file}\n"
        yield from (f"    {line}\n" for chore in chores if chore.file == file for line in chore.text.splitlines())


def read_generated(folder: Path) -> Generated | None:
    """None where there is nothing, or what cannot be read: a file that was half written, or merged in vain."""
    try:
        document = json.loads((folder / "openapi.json").read_text(encoding="utf-8"))
        table: tuple[Operation, ...] = runpy.run_path(str(folder / "routes.py"))["OPERATIONS"]
    except (OSError, ValueError, SyntaxError, NameError, ImportError, TypeError, KeyError):
        return None
    return Generated(document, {key_of(operation.method, operation.path): operation for operation in table})


def report(api: str, before: Generated | None, after: Generated, code: Path) -> Report | None:
    """None when nothing changed. `code` is the folder that the package `handlers` is in."""
    if before is None:
        return Report(api, None, tuple(_to_write({}, after.operations, code)))
    chores = (
        *_to_write(before.operations, after.operations, code),
        *_to_change(before.operations, after.operations, code),
        *_to_delete(before.operations, after.operations, code),
    )
    if before.document == after.document and not chores:
        return None
    try:
        return Report(api, compare(before.document, after.document), chores)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, DocumentError):
        return Report(api, None, chores)


Operations = dict[tuple[str, str], Operation]


def _to_write(before: Operations, after: Operations, code: Path) -> Iterator[Chore]:
    for key, operation in after.items():
        if key not in before and _find(operation, code) is None:
            yield Chore("write", _file(operation), f"{signature(operation)}    # {_name(operation)}")


def _to_change(before: Operations, after: Operations, code: Path) -> Iterator[Chore]:
    for key, old in before.items():
        line = _find(old, code) if key in after else None
        if line is None:
            continue
        new = after[key]
        lines = list(_changes(old, new))
        if lines:
            text = "\n".join([f"line {line}: {_name(new)}", *(f"  {each}" for each in lines)])
            yield Chore("change", _file(old), text)


def _changes(old: Operation, new: Operation) -> Iterator[str]:
    if new.module != old.module:
        yield f"belongs in {_file(new)} now"
    if signature(new) != signature(old):
        yield f"was: {signature(old)}"
        yield f"is:  {signature(new)}"
    was, now = _fields(old), _fields(new)
    for name in sorted(was.keys() | now.keys()):
        if name not in now:
            yield f"params.{name} is gone"
        elif name not in was:
            yield f"params.{name} is new: {now[name]}"
        elif was[name] != now[name]:
            yield f"params.{name} was {was[name]}, is {now[name]}"


def _fields(operation: Operation) -> dict[str, str]:
    return {field.name: str(field.type) for field in fields(operation.params)} if operation.params else {}


def _to_delete(before: Operations, after: Operations, code: Path) -> Iterator[Chore]:
    named = {(operation.module, operation.operation_id) for operation in after.values()}
    for key, operation in before.items():
        line = _find(operation, code)
        if key not in after and line is not None and (operation.module, operation.operation_id) not in named:
            yield Chore(
                "delete", _file(operation), f"line {line}: {operation.operation_id}    # was {_name(operation)}"
            )


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _file(operation: Operation) -> str:
    return operation.module.replace(".", "/") + ".py"


def _find(operation: Operation, code: Path) -> int | None:
    """The line at which the handler of an operation is written, if it is."""
    folder = code.joinpath(*operation.module.split("."))
    for file in (folder.with_suffix(".py"), folder / "__init__.py"):
        if file.is_file():
            for node in ast.parse(file.read_bytes()).body:
                if isinstance(node, ast.AsyncFunctionDef) and node.name == operation.operation_id:
                    return node.lineno
    return None

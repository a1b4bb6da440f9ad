"""Handlers held against the operation table: what is bound, what does not fit, and what there is still to write."""

from __future__ import annotations

import ast
import inspect as python
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from codegen.operation import Operation, expected_parameters, signature

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "codegen" / "generated"


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler function and which of `params` and `body` it takes before `call`."""

    function: Callable[..., Awaitable[Any]]
    takes_params: bool
    takes_body: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One operation in `concordat status`; `signature` is what its handler looks like, or would."""

    api: str
    tag: str
    operation_id: str
    method: str
    path: str
    bound: bool
    derived: bool
    signature: str


@cache
def apis() -> tuple[str, ...]:
    """The generated APIs, in the order of their documents' names."""
    return tuple(sorted(folder.name for folder in GENERATED.iterdir() if (folder / "routes.py").is_file()))


@cache
def operations(api: str) -> tuple[Operation, ...]:
    table: tuple[Operation, ...] = import_module(f"codegen.generated.{api}.routes").OPERATIONS
    return table


def find_handler(operation: Operation) -> Handler | None:
    """The operation's handler, or None when nobody wrote it yet."""
    if not _exists(operation.module):
        return None
    function = getattr(import_module(operation.module), operation.operation_id, None)
    if function is None or function.__module__ != operation.module or hasattr(function, "is_unwritten"):
        return None
    names = tuple(python.signature(function).parameters)
    return Handler(function, "params" in names, "body" in names)


@cache
def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def report() -> list[Row]:
    """Every operation of every API, by API and tag."""
    rows = [
        Row(
            api=api,
            tag=operation.tag,
            operation_id=operation.operation_id,
            method=operation.method,
            path=operation.path,
            bound=find_handler(operation) is not None,
            derived=operation.derived,
            signature=f"{operation.module}: {signature(operation)}",
        )
        for api in apis()
        for operation in operations(api)
    ]
    return sorted(rows, key=lambda row: (row.api, row.tag))


def faults() -> Iterator[str]:
    """In words: handlers whose parameters do not fit their operation, and handlers that name none."""
    for api in apis():
        by_module: dict[str, dict[str, Operation]] = {}
        for operation in operations(api):
            by_module.setdefault(operation.module, {})[operation.operation_id] = operation
            yield from _misfit(operation, import_module(f"codegen.generated.{api}.routes"))
        for file in sorted((ROOT / "handlers" / api).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield from _strays(module, file, set(by_module.get(module, ())))


def _misfit(operation: Operation, routes: ModuleType) -> Iterator[str]:
    handler = find_handler(operation)
    if handler is None:
        return
    where = f"{operation.module}.{operation.operation_id}"
    if not python.iscoroutinefunction(handler.function):
        yield f"{where} is not an async function"
    found = python.signature(handler.function).parameters
    expected = dict(expected_parameters(operation))
    if list(found) != list(expected) or not all(
        _is_called(found[name].annotation, annotation, routes) for name, annotation in expected.items()
    ):
        yield f"{where} does not fit its operation; it should be: {signature(operation)}"


def _is_called(annotation: Any, name: str, routes: ModuleType) -> bool:
    """Whether an annotation, a text or what it stands for, is the one of this name."""
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == name
    return bool(annotation == getattr(routes, name, None)) or getattr(annotation, "__name__", None) == name


def _strays(module: str, file: Path, named: set[str]) -> Iterator[str]:
    """Public async functions that take a `call` and are no operation of this module."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_") and node.name not in named:
            arguments = [argument.arg for argument in node.args.args]
            if arguments[-1:] == ["call"]:
                yield f"{module}.{node.name} names no operation"

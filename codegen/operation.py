"""The hand-written types that generated route tables are made of.

A route table (`codegen/generated/<api>/routes.py`) is data only: one `Operation` for each operation of the
overlaid document, its parameter dataclass and its body alias. Everything that interprets the data lives elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Generic, Literal, TypeVar

Json = Any
"""A JSON value as `orjson` reads it: dict, list, str, int, float, bool or None."""

View = TypeVar("View")

Location = Literal["path", "query", "header", "cookie"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation. `schema` is a JSON pointer into the overlaid document."""

    name: str
    field: str
    location: Location
    required: bool
    schema: str
    style: str
    explode: bool
    crosses_slashes: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """One media type of a request or response body; `schema` is a JSON pointer, or None where the document has none."""

    media_type: str
    schema: str | None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One documented answer: `status` is `200`, `4XX` or `default`; no payloads means an empty body."""

    status: str
    payloads: tuple[Payload, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an overlaid document.

    `module` is the handler's module, `params` the generated dataclass of its parameters, or None without any.
    `security` holds alternatives, each the names of the schemes needed together; () is open to everybody.
    `derived` says that no overlay names the operation, so its id was made from method and path.
    """

    operation_id: str
    method: str
    path: str
    module: str
    tag: str
    parameters: tuple[Parameter, ...] = ()
    params: type[Any] | None = None
    body: tuple[Payload, ...] = ()
    body_required: bool = False
    responses: tuple[Response, ...] = ()
    security: tuple[tuple[str, ...], ...] = ()
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Api:
    """One API: what people call it, where it is mounted beside others (`prefix`), and where alone (`root`)."""

    slug: str
    title: str
    prefix: str
    root: str = ""


class Body(Generic[View]):
    """A request body that the document's schema has accepted.

    `data` is the JSON value (None when an optional body was left out); `view` the same value as the generated
    pydantic model, built on first use and strictly: a number is not read from a text.
    """

    def __init__(self, data: Json, model: str | None = None) -> None:
        self.data = data
        self._model = model

    @cached_property
    def view(self) -> View:
        """Raises `TypeError` when the operation's body has no generated model."""
        if self._model is None:
            raise TypeError("this body has no generated model")
        module, _, name = self._model.rpartition(".")
        view: View = getattr(import_module(module), name).model_validate(self.data, strict=True)
        return view


def expected_parameters(operation: Operation) -> list[tuple[str, str]]:
    """Names and annotations of a handler's parameters."""
    stem = "".join(part[:1].upper() + part[1:] for part in operation.operation_id.split("_"))
    expected = [("params", f"{stem}Params")] if operation.params is not None else []
    if operation.body:
        expected.append(("body", f"{stem}Body"))
    return [*expected, ("call", "Call")]


def signature(operation: Operation) -> str:
    """How a handler begins."""
    parameters = ", ".join(f"{name}: {annotation}" for name, annotation in expected_parameters(operation))
    return f"async def {operation.operation_id}({parameters}) -> Answer"

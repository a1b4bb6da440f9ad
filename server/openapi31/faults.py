"""What a validator found wrong, as the one error that is answered with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

import jsonschema_rs

from handlers.core.errors import Invalid

MAX_FAULTS = 10
MAX_MESSAGE = 300
SECRETS = frozenset({"api_key"})
"""Fields whose faults are told without repeating what was sent."""


def describe(
    validator: jsonschema_rs.Draft202012Validator,
    instance: Any,
    locations: Collection[str] = (),
    *,
    first_only: bool = False,
) -> Invalid:
    """`Invalid` with the first faults, in the body or, with `locations`, in an object with keys like `query.limit`.

    All faults are found before the first is told, and each copies what it is about: a large body that is wrong in
    many places takes minutes. `first_only` looks for no more than one.
    """
    found = _first(validator, instance) if first_only else validator.iter_errors(instance)
    errors = [_fault(error, locations) for error in islice(found, MAX_FAULTS)]
    first = errors[0]
    return Invalid(f"{dotted(first['loc'])}: {first['msg']}", param=dotted(first["loc"][1:]) or None, errors=errors)


def _first(validator: jsonschema_rs.Draft202012Validator, instance: Any) -> Iterator[jsonschema_rs.ValidationError]:
    try:
        validator.validate(instance)
    except jsonschema_rs.ValidationError as error:
        yield error


def _fault(error: jsonschema_rs.ValidationError, locations: Collection[str]) -> dict[str, Any]:
    path = list(error.instance_path)
    message = "is not valid" if SECRETS.intersection(map(str, path)) else error.message
    if locations:
        place, _, name = str(path[0] if path else _missing(message)).partition(".")
        loc = [place, name, *path[1:]] if name else [place]
        if not path:
            message = f"{name} is required"
    else:
        loc = ["body", *path]
    return {"loc": loc, "msg": _shorten(message), "type": error.kind.name}


def _missing(message: str) -> str:
    """The property of jsonschema_rs's `"query.limit" is a required property`."""
    return message.split('"')[1] if '"' in message else "query"


def _shorten(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + " ..."


def dotted(path: Iterable[Any]) -> str:
    return ".".join(str(part) for part in path)

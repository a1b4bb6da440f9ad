"""The two judges of a value, and where they disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from pydantic import ValidationError

from codegen.operation import Body, Json
from tests.unit.codegen.differential.subjects import Subject
from tests.unit.codegen.served import compile_schema

NULL = "a property may be null"
CLASSES = {
    NULL: """The model takes null for an optional property that the document does not let be null. What is absent is
        seen as None, so None is in the property's type, and a type cannot tell the two apart. `model_fields_set`
        does.""",
    "bounds": """The model knows no bounds of numbers, of lengths or of numbers of items. A type says what a value is,
        not how large.""",
    "patterns": """The model knows no patterns. A type does not say how a text is spelled.""",
    "alternatives": """The model does not know that just one of several properties is to be there. Each of them is
        optional by itself.""",
    "constants": """The model compares constants as Python does, to which true is 1 and false is 0. To the document they
        are different values.""",
}
"""Why a model may accept what its schema refuses."""

BOUNDS = {
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
}
KEYWORDS = {**dict.fromkeys(BOUNDS, "bounds"), "pattern": "patterns", "oneOf": "alternatives", "const": "constants"}
REFUSED = "the model refuses what the schema accepts"
UNEXPLAINED = "the model accepts what the schema refuses, and nothing explains it"


@dataclass(frozen=True, slots=True, order=True)
class Disagreement:
    """`why` is one of `CLASSES`, `REFUSED` or `UNEXPLAINED`. `keyword` is a pointer to the keyword at fault; where the
    model refuses, it is the schema that was judged and what pydantic says about which part of the value."""

    api: str
    why: str
    keyword: str


def judge(subject: Subject, value: Json) -> Disagreement | None:
    """None when both say the same."""
    validator = compile_schema(subject.api, subject.pointer)
    allowed = validator.is_valid(value)
    complaint = _complain(subject.model, value)
    if allowed == (complaint is None):
        return None
    if complaint is not None:
        return Disagreement(subject.api, REFUSED, f"{subject.pointer} {complaint}")
    error = min((_reason(error) for error in validator.iter_errors(value)), key=_location)
    return Disagreement(subject.api, _explain(error) or UNEXPLAINED, _location(error))


def _complain(model: str, value: Json) -> str | None:
    try:
        Body[Any](value, model).view  # noqa: B018 - it is built when it is looked at
    except ValidationError as error:
        return min(f"{_place(found['loc'])} {found['type']}" for found in error.errors(include_url=False))
    return None


def _place(steps: tuple[int | str, ...]) -> str:
    return "/".join("*" if isinstance(step, int) else step for step in steps)


def _explain(error: jsonschema_rs.ValidationError) -> str | None:
    """The class of an error, None where it is one that models should have found too."""
    if error.instance is None or error.kind.name in KEYWORDS:
        return NULL if error.instance is None else KEYWORDS[error.kind.name]
    branches = getattr(error.kind, "context", None)
    if branches:
        return next((_explain(_reason(error)) for branch in branches if all(map(_explain, branch))), None)
    return None


def _location(error: jsonschema_rs.ValidationError) -> str:
    return str(error.absolute_keyword_location).partition("#")[2]


def _reason(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """What is wrong with a value of a union, as that member says that would have it but for keywords that models do
    not know. Where there is none it is the union that says it."""
    branches = getattr(error.kind, "context", None)
    if error.instance is None or error.kind.name in KEYWORDS or not branches:
        return error
    explained = [branch for branch in branches if all(map(_explain, branch))]
    if not explained:
        return error
    return min(map(_reason, min(explained, key=len)), key=_location)

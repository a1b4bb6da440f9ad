"""Marks a handler of which there is only the signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def unwritten(function: Function) -> Function:
    """Its operation counts as not built and answers 501, until this is taken away."""
    function.is_unwritten = True  # type: ignore[attr-defined]
    return function

"""Writes `models.py`: the schemas as pydantic models."""

from __future__ import annotations

from typing import Any

from codegen.payloads import Names


def write_models(api: str, document: dict[str, Any], names: Names) -> str:
    return ""

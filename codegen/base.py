"""What every generated model is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class View(BaseModel):
    """Keeps what the document does not name; a vendor may know it."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(_whole)]
"""A whole number, which JSON may write as `1.0` too."""

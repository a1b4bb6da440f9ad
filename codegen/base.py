"""What every generated model derives from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """Keeps what the document does not name; a vendor may know it."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())

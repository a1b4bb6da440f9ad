"""What a caller may ask to be included."""

from __future__ import annotations

from collections.abc import Iterable

from handlers.core.errors import Invalid

IMAGES = "message.input_image.image_url"

_HELD = frozenset({IMAGES, "file_search_call.results", "computer_call_output.output.image_url"})
"""Pictures are kept with their messages; of the others there are none, as there are no such calls."""


def check_include(include: Iterable[str] | None) -> None:
    """Raises `Invalid` for what no answer here can hold, such as reasoning that its vendor encrypted."""
    for name in include or ():
        if name not in _HELD:
            raise Invalid(f"{name} cannot be included", code="include_not_supported", param="include")

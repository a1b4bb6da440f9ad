"""What a caller may ask to be included."""

from __future__ import annotations

from collections.abc import Iterable

from handlers.core.errors import Invalid

IMAGES = "message.input_image.image_url"

RESULTS = "file_search_call.results"
_HELD = frozenset({IMAGES, RESULTS, "computer_call_output.output.image_url"})
"""Pictures are kept with their messages, and results of searches where they are asked for; of computers there are no
calls."""


def check_include(include: Iterable[str] | None) -> None:
    """Raises `Invalid` for what no answer here can hold, such as reasoning that its vendor encrypted."""
    for name in include or ():
        if name not in _HELD:
            raise Invalid(f"{name} cannot be included", code="include_not_supported", param="include")

"""What holds of OpenAI's parameters, whatever a document leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.core.errors import Invalid
from handlers.core.options import check_options

NUMBERS = ("n", "best_of", "max_tokens", "max_completion_tokens", "top_logprobs", "logprobs", "seed")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [2**63, int(1e300), 1.0, "1"])
def test_a_number_that_nobody_could_write_down_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Invalid, match=name):
        check_options({name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_the_largest_number_passes(name: str) -> None:
    check_options({name: 2**63 - 1})

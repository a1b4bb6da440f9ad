from __future__ import annotations

import pytest

from handlers.core.errors import Invalid
from server.mock.preferences import Preferences, read_preferences


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preferences()),
        ("code=404", Preferences("404")),
        ("code=404, example=cat", Preferences("404", "cat")),
        ('Example="a, \\"cat\\"" ; x=1, CODE = 201', Preferences("201", 'a, "cat"')),
        ("respond-async, wait=10", Preferences()),
        ("dynamic=true", Preferences(dynamic=True)),
        ("dynamic=false", Preferences()),
        ("code=404, code=500", Preferences("404")),
    ],
)
def test_header_is_read(header: str, expected: Preferences) -> None:
    assert read_preferences({"prefer": header}, b"") == expected


def test_query_is_read_where_the_header_says_nothing() -> None:
    assert read_preferences({}, b"limit=3&__code=404&__example=two%20words") == Preferences("404", "two words")
    assert read_preferences({"prefer": "code=500"}, b"__code=404") == Preferences("500")


@pytest.mark.parametrize("header", ["code=4", "code=abc", "code=700", "code=101", "dynamic=perhaps"])
def test_what_makes_no_sense_is_refused(header: str) -> None:
    with pytest.raises(Invalid):
        read_preferences({"prefer": header}, b"")


def test_what_was_applied_is_told() -> None:
    assert Preferences("404", "cat", True).applied() == "code=404, example=cat, dynamic=true"
    assert Preferences().applied() == ""

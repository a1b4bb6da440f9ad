"""Texts that the simulator makes by a grammar."""

from __future__ import annotations

import re

import pytest

from providers.inference.simulator.budget import Unsatisfiable
from providers.inference.simulator.grammar import make_text

ARITHMETIC = """
root   ::= sum                       # a comment
sum    ::= term (("+" | "-") term)*
term   ::= number | "(" sum ")"
number ::= [1-9] [0-9]{0,2}
"""


@pytest.mark.parametrize(
    ("grammar", "pattern"),
    [
        ('root ::= "yes" | "no"', "yes|no"),
        ("root ::= 'it' 's'", "its"),
        ('root ::= <word> " " <word>\n<word> ::= [a-c]+', "[abc]+ [abc]+"),
        ('root ::= "a"{3} "b"{2,} "c"{,1}', "a{3}b{2,}c?"),
        (r'root ::= "\"\x41\u00e9\n" [\]\-x]', '"A\u00e9\\n[\\]x-]'),
        ("root ::= [^a-zA-Z0-9 .,]", "-"),
        ('root ::= "a"?\n  | "b"', "a?|b"),
        (ARITHMETIC, r"[-+()\d]+"),
    ],
)
def test_a_text_keeps_to_its_grammar(grammar: str, pattern: str) -> None:
    texts = {make_text(grammar, f"seed {number}") for number in range(40)}
    assert all(re.fullmatch(pattern, text) for text in texts), texts
    assert make_text(grammar, "one") == make_text(grammar, "one")


def test_every_alternative_is_taken_some_time() -> None:
    assert {make_text('root ::= "a" | "b" | "c"', str(number)) for number in range(40)} == {"a", "b", "c"}


def test_a_rule_that_leads_to_itself_comes_to_an_end() -> None:
    grammar = 'root ::= "(" root root ")" | "x"'
    for number in range(40):
        text = make_text(grammar, str(number))
        assert text.count("(") == text.count(")")


@pytest.mark.parametrize(
    ("grammar", "said"),
    [
        ("", "no rule `root`"),
        ('start ::= "a"', "no rule `root`"),
        ("root ::= other", "no rule other"),
        ("root ::= root", "ever ends"),
        ('root ::= "a" root', "ever ends"),
        ('root ::= ("a"', "not closed"),
        ('root ::= "a" )', "name ::="),
        ('root ::= "a" & "b"', "not understood"),
        ('root ::= "a"\nroot ::= "b"', "twice"),
        ("root ::= *", "not expected"),
        ('root ::= "a"{}', "number of times"),
        ("root ::= [z-a]", "no character"),
        (r'root ::= "\ud800"', "no character"),
        ('root ::= "a"{999999}', "too much"),
        ('root ::= a a\na ::= b b b b b b\nb ::= c c c c c c\nc ::= "xxxxxxxxxxxx"{400}', "too much"),
        ("root ::= " + "(" * 100 + '"a"' + ")" * 100, "too deep"),
        ("root ::= " + '"a" ' * 20_000, "too much"),
    ],
)
def test_what_is_no_grammar_is_named(grammar: str, said: str) -> None:
    with pytest.raises(Unsatisfiable, match=said):
        make_text(grammar, "seed")

"""`bnf` of a grammar, which the documents leave open: an object.

Two shapes are read: a member for each rule (`{"root": "answer \"!\"", "answer": ["\"yes\"", "\"no\""]}`, where a list
holds alternatives), or the grammar as one text under whatever name (`{"grammar": "root ::= ..."}`).

Source: llama-stack.yaml: GrammarResponseFormat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from handlers.core.errors import Invalid

ROOT = "root"
LARGEST_CHARACTERS = 100_000
RULE = re.compile(r"^[ \t]*<?[ \t]*([A-Za-z_][\w-]*)[ \t]*>?[ \t]*::=", re.MULTILINE)


def grammar_text(bnf: Mapping[str, Any]) -> str:
    """In GBNF, which begins at the rule `root`. Raises `Invalid` for what is neither shape."""
    texts = list(bnf.values())
    if len(texts) == 1 and isinstance(texts[0], str) and "::=" in texts[0]:
        text = texts[0]
    elif bnf:
        text = "\n".join(f"{_bare(name)} ::= {_body(name, body)}" for name, body in bnf.items())
    else:
        raise _fault("is empty")
    if len(text) > LARGEST_CHARACTERS:
        raise _fault(f"is longer than {LARGEST_CHARACTERS} characters")
    names = RULE.findall(text)
    if not names:
        raise _fault("holds no rule")
    return text if ROOT in names else f"{ROOT} ::= {names[0]}\n{text}"


def _body(name: str, body: Any) -> str:
    alternatives = body if isinstance(body, list) else [body]
    if not alternatives or not all(isinstance(one, str) and one.strip() for one in alternatives):
        raise _fault(f"member {name} must be a rule's text, or a list of such")
    return " | ".join(alternatives)


def _bare(name: str) -> str:
    return name.strip().strip("<>").strip()


def _fault(what: str) -> Invalid:
    return Invalid(f"response_format.bnf: {what}", code="invalid_grammar", param="response_format")

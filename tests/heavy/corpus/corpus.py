"""Some fifty short documents with neighbours that are easily taken for each other, and thirty questions by hand.

About half of the questions need meaning, as they say in other words what the text says; the others need words: names
and codes that mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Question(NamedTuple):
    """`document` is the name of the file that answers, `passage` the words in it that do; `needs` is `meaning` or
    `words`."""

    ask: str
    document: str
    passage: str
    needs: str


def documents() -> Iterator[Path]:
    return iter(sorted((FOLDER / "documents").iterdir()))


def questions() -> list[Question]:
    return [Question(**question) for question in json.loads((FOLDER / "questions.json").read_text(encoding="utf-8"))]

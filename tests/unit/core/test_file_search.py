"""Marks in a model's text become citations, however the text is cut."""

from __future__ import annotations

import pytest

from handlers.core.file_search import FileSearch, pack, unpack
from handlers.core.file_search.marks import Marks
from handlers.core.retrieval.searching import Attribute, Every, Hit, SearchAsk, Some
from storage.repositories.vector_stores import VectorStore
from storage.search import Chunk
from storage.tables.types import instant

AT = instant(1_790_000_000)
STORE = VectorStore("p", "s", 1, AT, AT, AT, "", "m", 3, {})


def hit(name: str) -> Hit:
    chunk = Chunk(1, 1, 0, "A text.", 2, 0, 7, None, None, None, {"metadata": {"document_id": name}})
    return Hit(STORE, chunk, 0.5, None)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_marks_are_taken_out_wherever_the_text_is_cut(size: int) -> None:
    marks = Marks()
    assert "【2】 b\nA text." in marks.show([hit("a"), hit("b")])
    text, said, cited = "One【2】, two【1】【9】 【x】 【 and 【12345678】 end【1", "", []
    for at in range(0, len(text), size):
        clean, found = marks.take(text[at : at + size])
        said += clean
        cited += found
    said += marks.finish()
    assert said == "One, two【9】 【x】 【 and 【12345678】 end【1"
    assert [(one["filename"], one["index"]) for one in cited] == [("b", 3), ("a", 8)]


def test_a_search_is_the_same_when_it_was_packed() -> None:
    filter = Every([Attribute("a", "eq", 1), Some([Attribute("b", "in", ["x", "y"]), Attribute("c", "lt", 2.5)])])
    search = FileSearch(["vs_1"], SearchAsk(texts=[], limit=3, filter=filter, threshold=0.5), True, True)
    assert unpack(pack(search)) == search
    assert unpack(pack(None)) is None

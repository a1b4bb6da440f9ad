"""The corpus that retrieval is measured with is what it says."""

from __future__ import annotations

from collections import Counter

from tests.heavy.corpus.corpus import documents, questions


def test_every_question_is_answered_by_its_document_and_by_no_other() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in documents()}
    for question in questions():
        assert [name for name, text in texts.items() if question.passage in text] == [question.document]


def test_there_are_questions_of_both_sorts() -> None:
    assert len(list(documents())) == 52
    needs = Counter(question.needs for question in questions())
    assert needs.total() == 30
    assert min(needs["meaning"], needs["words"]) >= 12

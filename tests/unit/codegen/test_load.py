from __future__ import annotations

from pathlib import Path

import pytest

from codegen.load import DocumentError, find_documents, load_document, slug


def test_yaml_reads_as_json_would(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("day: 2025-01-31\n200: {yes: true, no: null}\nbase: &base [1]\nagain: *base\n")
    assert load_document(path) == {
        "day": "2025-01-31",
        "200": {"yes": True, "no": None},
        "base": [1],
        "again": [1],
    }


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.json", '{"a": 1, "a": 2}', "'a' appears twice"),
        ("a.yaml", "a: 1\na: 2\n", "'a' appears twice"),
        ("a.json", "[1]", "not an object"),
        ("a.yaml", "a: [", "a.yaml"),
        ("a.json", "{", "a.json"),
    ],
)
def test_an_unusable_document_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DocumentError, match=complaint):
        load_document(tmp_path / name)


def test_one_word_names_a_document(tmp_path: Path) -> None:
    for name in ("llama-stack.yaml", "ipop.json", "maniac-chat.json", "notes.txt"):
        (tmp_path / name).touch()
    assert slug(tmp_path / "llama-stack.yaml") == "llama_stack"
    assert list(find_documents(tmp_path)) == ["ipop", "llama_stack"]


def test_two_documents_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a-b.yaml").touch()
    (tmp_path / "a_b.json").touch()
    with pytest.raises(DocumentError, match="both 'a_b'"):
        find_documents(tmp_path)


def test_mappings_merge_as_yaml_says(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: *a, y: 3}\nd: {<<: [*a, *b]}\n"
    (tmp_path / "a.yaml").write_text(text)
    document = load_document(tmp_path / "a.yaml")
    assert document["c"] == {"x": 1, "y": 3}
    assert document["d"] == {"x": 1, "y": 1, "z": 2}


def test_only_mappings_merge(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: {<<: 1}\n")
    with pytest.raises(DocumentError, match="no mapping, line 1"):
        load_document(tmp_path / "a.yaml")

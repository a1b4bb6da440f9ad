"""Reads documents from `specs/documents/`, as JSON or YAML, into plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from codegen.operation import Json

DOCUMENT_SUFFIXES = (".json", ".yaml", ".yml")
EXCERPTS = frozenset({"maniac_chat"})
"""Documents that repeat a part of another one: tests hold them against it, nothing is generated from them."""


class DocumentError(Exception):
    """A document, overlay or pair of them that no code can be made from; the message says where and why."""


class _JsonYaml(yaml.CSafeLoader):
    """YAML restricted to what JSON can say: dates stay strings, a key that appears twice is an error; `<<` merges."""


_JsonYaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _construct_mapping(loader: _JsonYaml, node: yaml.MappingNode) -> dict[Hashable, Any]:
    mapping: dict[Hashable, Any] = {}
    merged: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            merged |= _construct_merged(loader, value_node)
            continue
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else loader.construct_object(key_node)
        if key in mapping:
            raise DocumentError(f"the key {key!r} appears twice, line {key_node.start_mark.line + 1}")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return merged | mapping


def _construct_merged(loader: _JsonYaml, node: yaml.Node) -> dict[Hashable, Any]:
    """What `<<` takes in: a mapping, or several, of which the earlier ones count for more."""
    values = loader.construct_object(node, deep=True)
    merged: dict[Hashable, Any] = {}
    for value in values if isinstance(values, list) else [values]:
        if not isinstance(value, dict):
            raise DocumentError(f"what << takes in is no mapping, line {node.start_mark.line + 1}")
        merged = value | merged
    return merged


_JsonYaml.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        keys = [key for key, _ in pairs]
        raise DocumentError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return mapping


def load_document(path: Path) -> dict[str, Any]:
    """Raises `DocumentError` when the file is not a JSON or YAML object, or repeats a key."""
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, object_pairs_hook=_unique_keys) if path.suffix == ".json" else parse_yaml(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError, DocumentError) as error:
        raise DocumentError(f"{path.name}: {error}") from error
    if not isinstance(value, dict):
        raise DocumentError(f"{path.name}: not an object")
    return value


def parse_yaml(text: str) -> Any:
    """Raises `yaml.YAMLError`, and `DocumentError` when a key is repeated."""
    return yaml.load(text, Loader=_JsonYaml)  # noqa: S506 - a safe loader, narrowed further


def slug(path: Path) -> str:
    """The one word that names a document, its overlay, its generated folder and its handlers."""
    return path.stem.replace("-", "_")


def find_documents(folder: Path) -> dict[str, Path]:
    """The documents to generate from, by slug. Raises `DocumentError` when two share one."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in DOCUMENT_SUFFIXES or slug(path) in EXCERPTS:
            continue
        if slug(path) in found:
            raise DocumentError(f"{path.name} and {found[slug(path)].name} are both {slug(path)!r}")
        found[slug(path)] = path
    return found

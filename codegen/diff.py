"""Says what changed between two documents, and which changes break the clients of the old one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from codegen.compare import ANY, Comparison, Finding
from codegen.normalise import Source, normalise
from codegen.operation import Json
from codegen.pointer import resolve


@dataclass(frozen=True, slots=True)
class Change:
    """A finding and the operations (`POST /kv`) that it concerns."""

    finding: Finding
    operations: tuple[str, ...]

    def __str__(self) -> str:
        finding = self.finding
        if self.operations == (finding.place,):
            return f"{finding.place}: {finding.text}"
        more = f" and {len(self.operations) - 1} more" if len(self.operations) > 1 else ""
        return f"{finding.place}: {finding.text} ({self.operations[0]}{more})"


@dataclass(frozen=True, slots=True)
class Difference:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def breaking(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.finding.breaking)


def compare(old: dict[str, Any], new: dict[str, Any]) -> Difference:
    """Two loaded documents. Raises `DocumentError` when one of them cannot be read as a document."""
    old, old_sources = normalise("old", old, is_named=False)
    new, new_sources = normalise("new", new)
    before = {key_of(source.method, source.path): source for source in old_sources}
    after = {key_of(source.method, source.path): source for source in new_sources}
    found: dict[Finding, list[str]] = {}
    for key, source in before.items():
        for finding in _compare_operation(old, source, new, after[key]) if key in after else [_removed(source)]:
            operations = found.setdefault(finding, [])
            if name_operation(source) not in operations:
                operations.append(name_operation(source))
    return Difference(
        added=tuple(name_operation(after[key]) for key in after if key not in before),
        removed=tuple(name_operation(before[key]) for key in before if key not in after),
        changed=tuple(
            name_operation(before[key])
            for key in before
            if key in after and any(name_operation(before[key]) in operations for operations in found.values())
        ),
        changes=tuple(Change(finding, tuple(operations)) for finding, operations in found.items()),
    )


def name_operation(source: Source) -> str:
    return f"{source.method.upper()} {source.path}"


def key_of(method: str, path: str) -> tuple[str, str]:
    """What clients tell an operation by: they send values, not the names of template variables."""
    return method, re.sub(r"\{[^}]+\}", "{}", path)


def _removed(source: Source) -> Finding:
    return Finding(True, name_operation(source), "the operation is removed")


def _compare_operation(old: Json, before: Source, new: Json, after: Source) -> Iterator[Finding]:
    place = name_operation(before)
    yield from _compare_parameters(old, before, new, after)
    yield from _compare_bodies(Comparison(old, new, "request"), _body(old, before), _body(new, after), place)
    yield from _compare_answers(old, before, new, after)
    yield from _compare_security(_security(old, before), _security(new, after), place)


def _compare_parameters(old: Json, before: Source, new: Json, after: Source) -> Iterator[Finding]:
    place = name_operation(before)
    olds, news = _parameters(before), _parameters(after)
    for key, parameter in olds.items():
        if key not in news:
            yield Finding(True, place, f"the {parameter['in']} parameter {parameter['name']} is removed")
            continue
        where = f"{place} {parameter['in']} parameter {parameter['name']}"
        if news[key].get("required") and not parameter.get("required"):
            yield Finding(True, where, "is now required")
        if parameter.get("required") and not news[key].get("required"):
            yield Finding(False, where, "is no longer required")
        if _style(parameter) != _style(news[key]):
            yield Finding(True, where, "is written in another style")
        schemas = parameter.get("schema", ANY), news[key].get("schema", ANY)
        yield from Comparison(old, new, "request").schemas(*schemas, where)
    for key, parameter in news.items():
        if key not in olds:
            required = bool(parameter.get("required"))
            kind = "a required" if required else "an optional"
            yield Finding(required, place, f"{kind} {parameter['in']} parameter {parameter['name']} is added")


def _parameters(source: Source) -> dict[tuple[str, str], dict[str, Any]]:
    variables = re.findall(r"\{([^}]+)\}", source.path)
    return {
        (node["in"], str(variables.index(node["name"])) if node["in"] == "path" else node["name"]): node
        for node in source.node["parameters"]
    }


def _style(parameter: dict[str, Any]) -> tuple[str, bool]:
    style = parameter.get("style", "form" if parameter["in"] in ("query", "cookie") else "simple")
    return style, parameter.get("explode", style == "form")


def _body(document: Json, source: Source) -> dict[str, Any] | None:
    body = source.node.get("requestBody")
    return None if body is None else _follow(document, body)


def _follow(document: Json, node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = resolve(document, node["$ref"]) if "$ref" in node else node
    return found


def _compare_bodies(comparison: Comparison, before: Json, after: Json, place: str) -> Iterator[Finding]:
    if before is None or after is None:
        if before is not None:
            yield Finding(True, place, "the request body is removed")
        elif after is not None:
            required = bool(after.get("required"))
            yield Finding(required, place, f"{'a required' if required else 'an optional'} request body is added")
        return
    if after.get("required") and not before.get("required"):
        yield Finding(True, place, "the request body is now required")
    yield from _compare_content(comparison, before, after, f"{place} request")


def _compare_answers(old: Json, before: Source, new: Json, after: Source) -> Iterator[Finding]:
    place = name_operation(before)
    olds, news = before.node.get("responses", {}), after.node.get("responses", {})
    for status, answer in olds.items():
        if status not in news:
            yield Finding(True, place, f"the status {status} is removed")
            continue
        pair = _follow(old, answer), _follow(new, news[status])
        yield from _compare_content(Comparison(old, new, "answer"), *pair, f"{place} {status}")
    for status in news:
        if status not in olds:
            yield Finding(False, place, f"the status {status} is added")


def _compare_content(comparison: Comparison, before: Json, after: Json, place: str) -> Iterator[Finding]:
    olds, news = before.get("content", {}), after.get("content", {})
    for media_type, content in olds.items():
        if media_type not in news:
            yield Finding(True, place, f"the media type {media_type} is removed")
        else:
            schemas = content.get("schema", ANY), news[media_type].get("schema", ANY)
            yield from comparison.schemas(*schemas, place)
    for media_type in news:
        if media_type not in olds:
            yield Finding(False, place, f"the media type {media_type} is added")


def _security(document: Json, source: Source) -> list[Json]:
    alternatives: list[Json] = source.node.get("security", document.get("security", []))
    return alternatives or [{}]


def _compare_security(before: Sequence[Json], after: Sequence[Json], place: str) -> Iterator[Finding]:
    for alternative in before:
        if alternative not in after and {} not in after:
            names = " and ".join(alternative) or "no credential"
            yield Finding(True, place, f"{names} no longer opens it")
    for alternative in after:
        if alternative not in before:
            yield Finding(False, place, f"{' and '.join(alternative) or 'no credential'} now opens it")


def render(difference: Difference) -> str:
    """The difference in words, breaking changes first."""
    harmless = [change for change in difference.changes if not change.finding.breaking]
    groups: list[tuple[str, Sequence[object]]] = [
        ("Breaking changes", difference.breaking),
        ("Added operations", difference.added),
        ("Removed operations", difference.removed),
        ("Changed operations", difference.changed),
        ("Changes that break no client", harmless),
    ]
    parts = [f"{title} ({len(rows)})\n" + "".join(f"  {row}\n" for row in rows) for title, rows in groups if rows]
    return "\n".join(parts) or "No change.\n"


def to_json(difference: Difference) -> dict[str, Json]:
    return {
        "added": difference.added,
        "removed": difference.removed,
        "changed": difference.changed,
        "changes": [
            {
                "breaking": change.finding.breaking,
                "place": change.finding.place,
                "text": change.finding.text,
                "operations": change.operations,
            }
            for change in difference.changes
        ],
    }

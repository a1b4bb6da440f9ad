"""The tables of README.md and docs/ that are made from the code.

A table stands between `<!-- made: settings -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from codegen.generated import APIS
from server.commands.output import CANNOT, complain

ROOT = Path(__file__).resolve().parents[2]
MADE = re.compile(r"(<!-- made: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def update(write: Annotated[bool, typer.Option("--write", help="Write them anew.")] = False) -> None:
    """Fail when a made table of README.md or docs/ is stale, or write them."""
    stale = [
        file
        for file in documents(ROOT)
        if refresh(file.read_text(encoding="utf-8")) != file.read_text(encoding="utf-8")
    ]
    for file in stale:
        if write:
            file.write_text(refresh(file.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            complain(f"{file.relative_to(ROOT)} has a stale table: run `make generate`")
    if stale and not write:
        raise typer.Exit(CANNOT)


def documents(root: Path) -> list[Path]:
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def refresh(text: str) -> str:
    """`text` with each made table as it should be. Raises `KeyError` for a table that nobody makes."""
    return MADE.sub(lambda found: f"{found[1]}{TABLES[found['name']]()}\n{found[3]}", text)


def operations() -> str:
    from server import inspect

    rows = inspect.report()
    lines = []
    for api in APIS:
        of_api = [row for row in rows if row.api == api.slug]
        bound = sum(row.bound for row in of_api)
        lines.append((api.title, f"`{api.prefix}`", str(len(of_api)), str(bound)))
    return markdown(("API", "mounted at", "operations", "bound"), lines)


def operations_by_tag() -> str:
    from server import inspect

    order = {api.slug: (number, api.title) for number, api in enumerate(APIS)}
    counts: dict[tuple[str, str], list[bool]] = {}
    for row in inspect.report():
        counts.setdefault((row.api, row.tag), []).append(row.bound)
    lines = [
        (order[api][1], tag, str(len(bound)), str(sum(bound)))
        for (api, tag), bound in sorted(counts.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]
    return markdown(("API", "tag", "operations", "bound"), lines)


def vendors() -> str:
    from server import catalog

    lines = [
        (
            f"`{row.name}`",
            "built in" if row.embedded else row.kind.replace("_", " "),
            f"`{row.base_url}`" if row.base_url else "",
            f"`{row.key_env}`" + (" (optional)" if row.key_optional else "") if row.key_env else "none",
        )
        for row in catalog.load().vendors.values()
    ]
    return markdown(("vendor", "speaks", "address", "key"), lines)


def settings() -> str:
    from server.config import Settings, is_secret, show, variable

    lines = [
        (
            f"`{variable(name)}`" + (" (or `..._FILE`)" if is_secret(name) else ""),
            f"`{show(field.default)}`" if show(field.default) else "",
            str(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]
    return markdown(("setting", "default", "what it is"), lines)


def metrics() -> str:
    from server.metrics.families import FAMILIES

    lines = [
        (f"`{family.shown}`", family.kind, ", ".join(f"`{label}`" for label in family.labels), family.help)
        for family in FAMILIES
    ]
    return markdown(("metric", "kind", "labels", "what it is"), lines)


def request_spans() -> str:
    from storage.repositories.telemetry.requests import KINDS

    words = {str: "text", int: "number", bool: "boolean"}
    return markdown(("attribute", "kind"), [(f"`{name}`", words[kind]) for name, kind in KINDS.items()])


def retention() -> str:
    from server.commands.retention import rules

    return markdown(("what", "how long it is kept"), [(rule.what, rule.how_long) for rule in rules()])


TABLES: Mapping[str, Callable[[], str]] = {
    "operations": operations,
    "operations-by-tag": operations_by_tag,
    "vendors": vendors,
    "settings": settings,
    "metrics": metrics,
    "request-spans": request_spans,
    "retention": retention,
}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)

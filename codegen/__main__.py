"""`python -m codegen generate | check | diff OLD NEW`: the way from documents to code, and what changed between two."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.diff import compare, render, to_json
from codegen.load import DocumentError, load_document

if TYPE_CHECKING:
    from codegen.generate import Build, Layout


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "diff":
            return diff(options.old, options.new, as_json=options.json)
        return check(options) if options.command == "check" else generate(options)
    except DocumentError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m codegen", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("generate", "write the generated files"), ("check", "exit 1 when any of them is stale")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--specs", type=Path, help="folder of documents/, overlays/ and documents.lock")
        command.add_argument("--out", type=Path, help="folder of the generated packages")
        command.add_argument("--code", type=Path, help="folder that the package handlers is in")
    commands.choices["generate"].add_argument(
        "--fail-on-breaking", action="store_true", help="write, but exit 1 when a change breaks clients"
    )
    command = commands.add_parser("diff", help="exit 1 when NEW breaks clients of OLD, 2 when one cannot be read")
    command.add_argument("old", type=Path, metavar="OLD")
    command.add_argument("new", type=Path, metavar="NEW")
    command.add_argument("--json", action="store_true")
    return parser


def diff(old: Path, new: Path, *, as_json: bool) -> int:
    documents = load_document(old), load_document(new)
    try:
        difference = compare(*documents)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DocumentError(f"not a usable OpenAPI document: {error!r}") from error
    print(json.dumps(to_json(difference), indent=1) if as_json else render(difference), end="")
    return 1 if difference.breaking else 0


def generate(options: argparse.Namespace) -> int:
    """Prints what changed since the last time, and what there is to do about it."""
    from codegen.chores import read_generated, report
    from codegen.generate import describe_lock, find_orphans

    layout, build = _build(options)
    apis = [path.parent for path in build.files if path.name == "routes.py"]
    before = {folder: read_generated(folder) for folder in apis}
    locked = layout.lock.read_text() if layout.lock.exists() else ""
    for path, text in build.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for line in describe_lock(locked, build.files[layout.lock]):
        print(line)
    for folder in find_orphans(layout, build.files):
        print(f"{folder.name} has no document: delete {folder}, its overlay and handlers/{folder.name}")
    reports = [
        found
        for folder in apis
        if (after := read_generated(folder)) and (found := report(folder.name, before[folder], after, layout.code))
    ]
    for found in reports:
        print(f"\n{found}", end="")
    broken = any(found.difference and found.difference.breaking for found in reports)
    return 1 if broken and options.fail_on_breaking else 0


def check(options: argparse.Namespace) -> int:
    from codegen.generate import find_stale

    layout, build = _build(options)
    stale = find_stale(layout, build.files)
    for line in stale:
        print(f"{line}; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


def _build(options: argparse.Namespace) -> tuple[Layout, Build]:
    """Imported late: the model generator takes longer to load than a diff takes to run."""
    from codegen.generate import Layout, build_all

    layout = Layout()
    layout = replace(
        layout,
        specs=options.specs or layout.specs,
        out=options.out or layout.out,
        code=options.code or layout.code,
    )
    build = build_all(layout)
    for warning in build.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return layout, build


if __name__ == "__main__":
    sys.exit(main())

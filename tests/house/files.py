"""The files of this repository, and what their Python imports."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("codegen", "handlers", "providers", "server", "storage")
NOT_OURS = frozenset({".git", ".venv", ".clients", ".hypothesis", ".pytest_cache", "__pycache__", "node_modules"})
CACHES = (".mypy_cache", ".ruff_cache")


@cache
def all_files() -> tuple[Path, ...]:
    """What a clone holds and what was added to it, environments, caches and the server's data left out."""
    return tuple(sorted(_walk()))


def _walk() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        top = Path(folder) == ROOT
        folders[:] = [n for n in folders if n not in NOT_OURS and n not in CACHES and not (top and n == "data")]
        yield from (Path(folder) / name for name in names if not (top and name in NOT_OURS))


def python_files(*folders: str) -> Iterator[Path]:
    """Hand-written Python, relative to the root."""
    for file in all_files():
        relative = file.relative_to(ROOT)
        if file.suffix == ".py" and relative.parts[0] in folders and relative.parts[:2] != ("codegen", "generated"):
            yield relative


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_bytes())


def imports(file: Path) -> Iterator[str]:
    """Full names of what a file imports, at the top or inside a function, for types only or not."""
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{name.name}" for name in node.names)

"""Sizes, and constructs that have one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.files import ROOMS, ROOT, parse, python_files

FUNCTION_LINES = 50
FILE_LINES = 400
TEST_FILE_LINES = 800
ENVIRONMENT = {"environ", "environb", "getenv"}
LOOSE_TASKS = {"asyncio.create_task", "asyncio.ensure_future"}


def cases(*folders: str) -> list[object]:
    return [pytest.param(file, id=str(file)) for file in python_files(*folders)]


def long_functions(file: Path) -> Iterator[str]:
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name}: {lines} lines"


def catches_everything(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    return node.type is None or "Exception" in [n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)]


@pytest.mark.parametrize("file", cases(*ROOMS))
def test_functions_and_files_stay_below_the_wall(file: Path) -> None:
    assert list(long_functions(file)) == []
    assert len((ROOT / file).read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("file", cases("tests", "benchmarks"))
def test_tests_stay_readable(file: Path) -> None:
    assert list(long_functions(file)) == []
    assert len((ROOT / file).read_text(encoding="utf-8").splitlines()) <= TEST_FILE_LINES


@pytest.mark.parametrize("file", cases(*ROOMS))
def test_only_the_configuration_reads_the_environment(file: Path) -> None:
    if file.parts[:2] in (("server", "config.py"), ("server", "config")):
        return
    read = [node.attr for node in ast.walk(parse(file)) if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT]
    assert read == []


@pytest.mark.parametrize("file", cases(*ROOMS))
def test_only_the_binding_and_the_worker_catch_everything(file: Path) -> None:
    if file.parts[:2] in (("server", "binding"), ("server", "binding.py"), ("server", "worker.py")):
        return
    assert [node.lineno for node in ast.walk(parse(file)) if catches_everything(node)] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("file", cases(*ROOMS))
def test_no_task_is_left_to_itself(file: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(parse(file)) if isinstance(node, ast.Call)}
    assert called & LOOSE_TASKS == set()

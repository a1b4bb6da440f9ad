"""Who may import whom. The table is the one of docs/contributing.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import inspect
from tests.house.files import ROOMS, ROOT, imports, python_files

APIS = inspect.apis()


def may_import(file: Path) -> tuple[str, ...]:
    """The packages of ours that a file may import from."""
    room, *rest = file.parts
    if room == "storage":
        return ("storage",)
    if room == "providers":
        capability = (f"providers.{rest[0]}",) if len(rest) > 1 else ()
        return (*capability, *shared_by_providers())
    if room == "codegen":
        return ("codegen",)
    if room == "handlers":
        return handlers_may_import(rest[0])
    steps = (
        ("codegen",) if file.parts[:2] in (("server", "commands"), ("server", "contract"), ("server", "cli.py")) else ()
    )
    return ("server", "handlers", "storage", "providers", "codegen.operation", "codegen.generated", *steps)


def handlers_may_import(part: str) -> tuple[str, ...]:
    if part == "core":
        return ("handlers.core", "storage", "providers.errors", "providers.tokens", *interfaces())
    if part == "wire":
        return ("handlers.wire", "handlers.core")
    if part in APIS:
        generated = (f"codegen.generated.{part}", "codegen.operation")
        return (f"handlers.{part}", "handlers.wire", "handlers.core", *generated)
    return ()


def shared_by_providers() -> tuple[str, ...]:
    return tuple(f"providers.{file.stem}" for file in sorted((ROOT / "providers").glob("*.py")))


def interfaces() -> tuple[str, ...]:
    return tuple(f"providers.{file.parent.name}.interface" for file in (ROOT / "providers").glob("*/interface.py"))


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("file", [pytest.param(file, id=str(file)) for file in python_files(*ROOMS)])
def test_a_file_imports_only_what_its_room_may(file: Path) -> None:
    allowed = may_import(file)
    ours = {name for name in imports(file) if name.partition(".")[0] in (*ROOMS, "tests", "benchmarks")}
    assert {name for name in ours if not any(within(name, package) for package in allowed)} == set()

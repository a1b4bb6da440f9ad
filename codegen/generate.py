"""One document's way from file to generated files, and the lock that says which bytes they came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.diff import compare, name_operation
from codegen.load import DocumentError, find_documents, load_document
from codegen.models import write_models
from codegen.normalise import normalise
from codegen.overlay import apply_overlay
from codegen.payloads import name_models
from codegen.registry import read_registry, write_registry
from codegen.routes import write_routes
from codegen.upgrade import upgrade

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Layout:
    """Where documents, overlays and their lock are, the generated packages, and the package `handlers`."""

    specs: Path = ROOT / "specs"
    out: Path = ROOT / "codegen" / "generated"
    code: Path = ROOT

    @property
    def documents(self) -> Path:
        return self.specs / "documents"

    @property
    def lock(self) -> Path:
        return self.specs / "documents.lock"

    @property
    def registry(self) -> Path:
        return self.specs / "apis.yaml"

    def overlay(self, api: str) -> Path:
        return self.specs / "overlays" / f"{api}.yaml"


@dataclass(frozen=True, slots=True)
class Build:
    """Generated files and their text. `warnings` are sentences about operations whose names were derived."""

    files: dict[Path, str]
    warnings: tuple[str, ...]


def build_api(api: str, document: Path, overlay: Path, out: Path) -> Build:
    """The package of one API. A document without an overlay is taken as it is. Raises `DocumentError`."""
    return build_from(api, load_document(document), load_document(overlay) if overlay.exists() else None, out)


def build_from(api: str, value: dict[str, Any], overlay: dict[str, Any] | None, out: Path) -> Build:
    """The same of documents that are read already."""
    try:
        value = upgrade(value)
        if overlay is not None:
            value = overlay_document(value, overlay)
        value, sources = normalise(api, value)
        names = name_models(api, value, sources)
        files = {
            "__init__.py": "",
            "openapi.json": json.dumps(value, ensure_ascii=False, indent=1) + "\n",
            "models.py": write_models(api, value, names),
            "routes.py": write_routes(api, value, sources, names),
        }
    except DocumentError as error:
        raise DocumentError(f"{api}: {error}") from error
    derived = [source for source in sources if source.derived]
    return Build(
        {out / api / name: text for name, text in files.items()},
        tuple(
            f"{api}: {name_operation(source)} has no usable name and is called {source.operation_id}; "
            f"its handler belongs in {source.module}"
            for source in derived
        ),
    )


def build_all(layout: Layout) -> Build:
    """Every generated file, the list of APIs and the lock."""
    documents = find_documents(layout.documents)
    registry = write_registry(read_registry(layout.registry, documents))
    files = {layout.out / "__init__.py": registry, layout.lock: write_lock(layout.documents)}
    warnings: tuple[str, ...] = ()
    for api, document in documents.items():
        build = build_api(api, document, layout.overlay(api), layout.out)
        files |= build.files
        warnings += build.warnings
    return Build(files, warnings)


def overlay_document(document: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Raises `DocumentError` when the overlay takes something away from the clients of the document.

    An answer may come to say more than the document allowed it: that is what a repair is for.
    """
    result = apply_overlay(document, overlay)
    narrowed = [str(change) for change in compare(document, result).breaking if not change.finding.widens]
    if narrowed:
        raise DocumentError("the overlay narrows the document: " + "; ".join(narrowed))
    return result


def write_lock(documents: Path) -> str:
    """`sha256  name` lines, as `sha256sum` writes them, over every document, excerpts included."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(documents.iterdir())
    )


def read_lock(text: str) -> dict[str, str]:
    """Document name to sha256."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}


def describe_lock(old: str, new: str) -> list[str]:
    """Which documents were added, changed or removed between two locks, in words."""
    before, after = read_lock(old), read_lock(new)
    return [
        *(f"{name}: added" for name in after if name not in before),
        *(f"{name}: changed" for name in after if name in before and before[name] != after[name]),
        *(f"{name}: removed" for name in before if name not in after),
    ]


def find_stale(layout: Layout, files: dict[Path, str]) -> list[str]:
    """What `generate` would write or leave without a document, in words."""
    stale = [
        f"{path}: {'out of date' if path.exists() else 'missing'}"
        for path, text in files.items()
        if not path.exists() or path.read_bytes() != text.encode()
    ]
    return stale + [f"{folder}: has no document" for folder in find_orphans(layout, files)]


def find_orphans(layout: Layout, files: dict[Path, str]) -> list[Path]:
    """Generated packages of documents that are gone."""
    folders = {path.parent for path in files}
    return [path.parent for path in sorted(layout.out.glob("*/routes.py")) if path.parent not in folders]

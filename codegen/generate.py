"""One document's way from file to generated files, and the lock that says which bytes they came from."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

from codegen.load import DocumentError, find_documents, load_document
from codegen.models import write_models
from codegen.normalise import normalise
from codegen.overlay import apply_overlay
from codegen.payloads import name_models
from codegen.routes import write_routes

ROOT = Path(__file__).resolve().parent.parent


class DerivedName(UserWarning):
    """An operation is named by method and path, because neither document nor overlay names it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where documents, overlays, the lock and generated folders are."""

    documents: Path = ROOT / "specs" / "documents"
    overlays: Path = ROOT / "specs" / "overlays"
    lock: Path = ROOT / "specs" / "documents.lock"
    out: Path = ROOT / "codegen" / "generated"


def build_api(api: str, document: Path, overlay: Path) -> dict[str, str]:
    """The generated files of one API by name. A document without an overlay is generated as it is."""
    value = load_document(document)
    try:
        if overlay.exists():
            value = apply_overlay(value, load_document(overlay))
        value, sources = normalise(api, value)
        names = name_models(api, value, sources)
        for source in sources:
            if source.derived:
                where = f"{source.method.upper()} {source.path}"
                warnings.warn(
                    f"{api}: {where} has no name and is called {source.operation_id}", DerivedName, stacklevel=2
                )
        return {
            "__init__.py": "",
            "openapi.json": json.dumps(value, ensure_ascii=False, indent=1) + "\n",
            "models.py": write_models(api, value, names),
            "routes.py": write_routes(api, value, sources, names),
        }
    except DocumentError as error:
        raise DocumentError(f"{api}: {error}") from error


def build_all(layout: Layout) -> dict[Path, str]:
    """Every generated file, and the lock, with its text."""
    files: dict[Path, str] = {layout.out / "__init__.py": ""}
    documents = find_documents(layout.documents)
    for api, document in documents.items():
        for name, text in build_api(api, document, layout.overlays / f"{api}.yaml").items():
            files[layout.out / api / name] = text
    files[layout.lock] = write_lock(layout.documents)
    return files


def write_lock(documents: Path) -> str:
    """`sha256  name` lines, as `sha256sum` writes them, over every document, excerpts included."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(documents.iterdir())
    )

"""A new document taken in: checked, named, and made into a package, before anything is written."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

from codegen.generate import Build, Layout, build_from, write_lock
from codegen.load import DOCUMENT_SUFFIXES, EXCERPTS, DocumentError, find_documents, load_document, parse_yaml, slug
from codegen.normalise import METHODS, derive_name, identifier, words
from codegen.operation import Api
from codegen.registry import clashes, default_prefix, read_registry, write_registry
from codegen.schema import roots
from codegen.upgrade import is_old, upgrade

RESERVED = frozenset({"core", "wire", *EXCERPTS})
OVERLAY = """\
overlay: 1.0.0
info:
  title: {title}
  version: 1.0.0
# What is added to the document, repaired or widened; docs/contributing.md tells how. Every action gives its reason.
actions:
"""
BEARER = "{type: http, scheme: bearer}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asks for; what is None follows from the document."""

    source: Path
    name: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """What there is to be written. `text` is the document's own, byte for byte; `spec` the overlaid document."""

    api: Api
    document: Path
    text: bytes
    overlay: Path
    overlay_text: str
    build: Build
    spec: dict[str, Any]
    upgraded: bool


def adopt(wanted: Wanted, layout: Layout) -> Adopted:
    """Raises `DocumentError` when no API can be made of it; nothing is written."""
    value = load_document(wanted.source)
    _check_version(value)
    api = _choose(wanted, value, layout)
    try:
        new = upgrade(value)
        _check_paths(new)
        _check_schemas(new)
        overlay_text = write_overlay(api, new)
        build = build_from(api.slug, value, parse_yaml(overlay_text), layout.out)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DocumentError(f"{wanted.source.name}: not a usable OpenAPI document: {error!r}") from error
    suffix = wanted.source.suffix
    return Adopted(
        api,
        layout.documents / f"{api.slug.replace('_', '-')}{suffix}",
        wanted.source.read_bytes(),
        layout.overlay(api.slug),
        overlay_text,
        build,
        json.loads(build.files[layout.out / api.slug / "openapi.json"]),
        is_old(value),
    )


def write(adopted: Adopted, layout: Layout) -> None:
    adopted.document.write_bytes(adopted.text)
    adopted.overlay.parent.mkdir(parents=True, exist_ok=True)
    adopted.overlay.write_text(adopted.overlay_text, encoding="utf-8")
    with layout.registry.open("a", encoding="utf-8") as registry:
        api = adopted.api
        registry.write(f"{api.slug}:\n  title: {json.dumps(api.title)}\n  prefix: {api.prefix}\n")
    apis = read_registry(layout.registry, find_documents(layout.documents))
    made = {layout.lock: write_lock(layout.documents), layout.out / "__init__.py": write_registry(apis)}
    for path, text in (adopted.build.files | made).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def _check_version(value: dict[str, Any]) -> None:
    if "swagger" in value:
        raise DocumentError(f"this is Swagger {value['swagger']}: convert it to OpenAPI 3.1 first")
    version = value.get("openapi")
    if not isinstance(version, str):
        raise DocumentError("not an OpenAPI document: it does not say `openapi: 3.1.0`")
    if not version.startswith(("3.0", "3.1")):
        raise DocumentError(f"this is OpenAPI {version}, and only 3.0 and 3.1 can be read")


def _choose(wanted: Wanted, value: dict[str, Any], layout: Layout) -> Api:
    """Its names, when they are free."""
    if wanted.source.suffix not in DOCUMENT_SUFFIXES:
        raise DocumentError(f"{wanted.source.name}: a document's name ends with {', '.join(DOCUMENT_SUFFIXES)}")
    name = re.sub(r"[\W-]+", "_", wanted.name or slug(wanted.source), flags=re.ASCII).strip("_").lower()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise DocumentError(f"{name!r} cannot name an API: choose a word of letters and digits with --name")
    documents = find_documents(layout.documents)
    if name in documents or name in RESERVED or layout.overlay(name).exists():
        raise DocumentError(f"the name {name} is taken: choose another with --name")
    info = value.get("info")
    title = str(info.get("title") or name) if isinstance(info, dict) else name
    api = Api(name, " ".join(title.split()), (wanted.prefix or default_prefix(name)).rstrip("/"))
    faults = list(clashes([*read_registry(layout.registry, documents), api]))
    if faults:
        raise DocumentError(f"{'; '.join(faults)}: choose another with --prefix")
    return api


def _check_paths(document: dict[str, Any]) -> None:
    """What the router cannot tell apart, or would overlook."""
    shapes: dict[tuple[str, str], str] = {}
    for path, item in document["paths"].items():
        if "$ref" in item:
            raise DocumentError(f"{path} is a reference to another file: bring it into the document")
        for segment in path.split("/"):
            if "{" in segment and not re.fullmatch(r"\{[^{}]+\}", segment):
                raise DocumentError(f"{path}: a parameter must be a whole segment of the path, as in /things/{{id}}")
        for method in METHODS:
            shape = (method, re.sub(r"\{[^{}]+\}", "{}", path))
            if method in item and shapes.setdefault(shape, path) != path:
                raise DocumentError(f"{method.upper()} {path} cannot be told from {method.upper()} {shapes[shape]}")
    if not any(method in item for item in document["paths"].values() for method in METHODS):
        raise DocumentError("the document has no operations")


def _check_schemas(document: dict[str, Any]) -> None:
    for root in roots({"components": {}, **document}):
        try:
            jsonschema_rs.meta.validate(root)
        except jsonschema_rs.ValidationError as error:
            where = "/".join(map(str, error.instance_path))
            raise DocumentError(f"a schema is wrong in itself ({where}): {error.message[:200]}") from None


def write_overlay(api: Api, document: dict[str, Any]) -> str:
    """A skeleton: a name where there is none, a handler module for each operation, schemes that were never defined."""
    lines = [OVERLAY.format(title=json.dumps(f"{api.title}, as Concordat serves it"))]
    lines += ["  # ---- names, and where the handlers are ----\n\n", *_name_operations(api, document)]
    undefined = sorted(set(_schemes(document)) - set(document.get("components", {}).get("securitySchemes", {})))
    if undefined:
        schemes = ", ".join(f"{json.dumps(name)}: {BEARER}" for name in undefined)
        lines.append("\n  # ---- credentials ----\n\n  - target: $\n")
        lines.append("    description: The document requires this and never defines it.\n")
        lines.append(f"    update: {{components: {{securitySchemes: {{{schemes}}}}}}}\n")
    return "".join(lines)


def _name_operations(api: Api, document: dict[str, Any]) -> Iterator[str]:
    taken: set[str] = set()
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            given = str(item[method].get("operationId", ""))
            name = given if given.isidentifier() and given.isascii() and not keyword.iskeyword(given) else ""
            name = name or (identifier(given) if given else derive_name(method, path))
            unique = next(one for one in (name, *(f"{name}_{n}" for n in range(2, 1000))) if one not in taken)
            taken.add(unique)
            named = f"operationId: {unique}, " if unique != given else ""
            reason = "The document does not name it." if named and not given else "Its handler's module."
            reason = "Its name, as Python can say it, and its handler's module." if named and given else reason
            target = json.dumps(f"$.paths[{_quote(path)}].{method}")
            yield f"  - target: {target}\n    description: {reason}\n"
            yield f"    update: {{{named}x-handler-module: handlers.{api.slug}.{_noun(item[method], path)}}}\n"


def _quote(path: str) -> str:
    return "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _noun(operation: dict[str, Any], path: str) -> str:
    tags = operation.get("tags") or []
    noun = identifier(str(tags[0]) if tags else next(iter(words(path)), "root"))
    return f"{noun}_" if noun in ("errors", "__init__") else noun


def _schemes(document: dict[str, Any]) -> Iterator[str]:
    """Names of the security schemes that anything asks for."""
    nodes = [document, *(op for item in document["paths"].values() for op in item.values() if isinstance(op, dict))]
    for node in nodes:
        for alternative in node.get("security", []):
            yield from alternative

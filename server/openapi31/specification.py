"""An OpenAPI 3.1 document as connexion takes one, and the validators compiled from it.

Connexion refuses 3.1 documents, inlines every `$ref` and judges bodies by Draft 4. `Document` keeps the references:
each schema is compiled once, on first need, by `jsonschema_rs` (Draft 2020-12) against one registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import orjson
from connexion.spec import Specification

from codegen.operation import Operation

Schema = dict[str, Any] | bool


class Document(Specification):  # type: ignore[misc]
    """`spec` is the overlaid document; `operations` its generated table."""

    def __init__(self, spec: dict[str, Any], operations: Iterable[Operation]) -> None:
        self._raw_spec = self._spec = spec
        self.content = orjson.dumps(spec)
        self.operations = tuple(operations)
        self._uri = "urn:document"
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    @classmethod
    def _set_defaults(cls, spec: dict[str, Any]) -> None:
        """Nothing is defaulted: the document was completed when it was generated."""

    @property
    def security_schemes(self) -> Mapping[str, Any]:
        schemes: Mapping[str, Any] = self._spec.get("components", {}).get("securitySchemes", {})
        return schemes

    @property
    def base_path(self) -> str:
        return ""

    @base_path.setter
    def base_path(self, base_path: str) -> None:
        """Mounting is ours, not the document's."""

    @cached_property
    def _registry(self) -> jsonschema_rs.Registry:
        return jsonschema_rs.Registry([(self._uri, self._spec)], draft=jsonschema_rs.Draft202012)

    def schema_at(self, pointer: str) -> Schema:
        """The schema at a JSON pointer (`#/components/schemas/X`), its own `$ref`s followed."""
        node: Any = self._spec
        for part in pointer.removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            node = node[int(key)] if isinstance(node, list) else node[key]
        if isinstance(node, dict) and set(node) == {"$ref"}:
            return self.schema_at(node["$ref"])
        schema: Schema = node
        return schema

    def validator(self, pointer: str) -> jsonschema_rs.Draft202012Validator:
        """The compiled validator of the schema at a JSON pointer."""
        found = self._validators.get(pointer)
        if found is None:
            found = self._validators[pointer] = self.compile({"$ref": self.absolute(pointer)})
        return found

    def absolute(self, pointer: str) -> str:
        """A JSON pointer as a URI reference, in which the braces of a path template are escaped."""
        return self._uri + quote(pointer, safe="#/~:@!$&'()*+,;=")

    def compile(self, schema: Schema) -> jsonschema_rs.Draft202012Validator:
        """`schema` may refer to this document by `absolute` pointers."""
        return jsonschema_rs.Draft202012Validator(schema, registry=self._registry, validate_formats=False)

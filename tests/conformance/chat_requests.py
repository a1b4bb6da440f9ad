"""Requests for the operations that ask a model: whatever their document allows, at random from a seed.

Tame ones hold only what a model can do; wild ones hold anything, in all or in some of their fields.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import orjson

from codegen.pointer import resolve
from server.contract.prompts import LLAMA, OPENAI
from server.inspect import GENERATED, operations
from tests.unit.codegen.instances import Instances

MODEL = "simulator/chat"
OPENAI_TAME = {**OPENAI, "models": lambda random: [MODEL]}
TAME = {"maniac": OPENAI_TAME, "ipop": OPENAI_TAME, "llama_stack": LLAMA, "llama_stack_deprecated": OPENAI_TAME}


class Requests:
    """Bodies for one operation."""

    def __init__(self, api: str, operation_id: str, seed: int) -> None:
        document = _document(api)
        operation = next(row for row in operations(api) if row.operation_id == operation_id)
        self.path = operation.path
        self._schema = resolve(document, operation.body[0].schema or "")
        self._instances = Instances(document, seed)
        self._random = Random(seed)
        self._tame = TAME[api]
        self._model_field = "model_id" if api == "llama_stack" else "model"

    def tame(self) -> dict[str, Any]:
        return self._body(1.0)

    def wild(self) -> dict[str, Any]:
        return self._body(self._random.choice([0.0, 0.8]))

    def _body(self, share: float) -> dict[str, Any]:
        body: dict[str, Any] = self._instances.make(self._schema)
        for name in body.keys() & self._tame.keys():
            if self._random.random() < share:
                body[name] = self._tame[name](self._random)
        return {**body, self._model_field: MODEL}


@cache
def _document(api: str) -> Any:
    return orjson.loads((GENERATED / api / "openapi.json").read_bytes())

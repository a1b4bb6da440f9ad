"""The embedded default: sentence embeddings from weights that are installed with the server, without any network.

Everything runs in one thread of its own, imports too, and starts on first need. A request comes back to it for each
batch, so that a short one does not wait for a long one to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from providers.embeddings.interface import Embeddings, EmbeddingsRequest, Vector
from providers.errors import Refused, Saturated

if TYPE_CHECKING:
    from providers.embeddings.minilm import MiniLM

MODEL = "all-minilm-l6-v2"
DIMENSIONS = 384
MOST_TOKENS = 512
"""As many positions as the model has, the two that frame a text included."""
MOST_CHARACTERS = 100 * MOST_TOKENS
"""No word of the vocabulary is longer than 100 characters, so what comes later in a text is out of reach."""
SLICE_TEXTS = 64
BATCH_TOKENS = 1024

Ids = list[int]
Given = TypeVar("Given")
Result = TypeVar("Result")


class Local:
    """`name` is the vendor's row in the catalog; at most `most_waiting` requests are under way at once."""

    def __init__(self, name: str = "local", most_waiting: int = 1024) -> None:
        self._name = name
        self._most_waiting = most_waiting
        self._under_way = 0
        self._model: MiniLM | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="embeddings")

    @property
    def name(self) -> str:
        return self._name

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        self._check(request)
        self._under_way += 1
        try:
            ids = await self._tokenize([text[:MOST_CHARACTERS] for text in request.texts])
            ids = [_cut(text) if request.truncate else text for text in ids]
            for number, text in enumerate(request.texts):
                if not request.truncate and (len(ids[number]) > MOST_TOKENS or len(text) > MOST_CHARACTERS):
                    raise self._too_long(number)
            return Embeddings(await self._encode(ids), sum(map(len, ids)))
        finally:
            self._under_way -= 1

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        pieces = [text[at : at + MOST_CHARACTERS] for text in texts for at in range(0, len(text) or 1, MOST_CHARACTERS)]
        return sum(map(len, await self._tokenize(pieces)))

    async def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _check(self, request: EmbeddingsRequest) -> None:
        if request.model != MODEL:
            raise Refused(f"{self._name}: there is no model {request.model}", status=404, param="model")
        if request.dimensions not in (None, DIMENSIONS):
            message = f"{request.model} has {DIMENSIONS} dimensions, and a part of them means nothing"
            raise Refused(message, param="dimensions", code="dimensions_not_supported")
        if self._under_way >= self._most_waiting:
            raise Saturated("too many texts are waiting to be embedded")

    def _too_long(self, number: int) -> Refused:
        message = f"text {number} does not fit into the {MOST_TOKENS} tokens of {MODEL}"
        return Refused(message, param="input", code="context_length_exceeded")

    async def _tokenize(self, texts: Sequence[str]) -> list[Ids]:
        slices = [texts[start : start + SLICE_TEXTS] for start in range(0, len(texts), SLICE_TEXTS)]
        found = [await self._run(lambda model, part: list(map(model.tokenize, part)), part) for part in slices]
        return [ids for part in found for ids in part]

    async def _encode(self, texts: Sequence[Ids]) -> list[Vector]:
        vectors: dict[int, Vector] = {}
        for batch in _batches(texts):
            encoded = await self._run(lambda model, ids: model.encode(ids), [texts[number] for number in batch])
            vectors.update(zip(batch, encoded, strict=True))
        return [vectors[number] for number in range(len(texts))]

    async def _run(self, act: Callable[[MiniLM, Given], Result], given: Given) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: act(self._loaded(), given))

    def _loaded(self) -> MiniLM:
        """For the worker's thread alone."""
        if self._model is None:
            from providers.embeddings.minilm import MiniLM

            self._model = MiniLM()
        return self._model


def _cut(ids: Ids) -> Ids:
    """The beginning of a text that is too long, framed as a whole one."""
    return ids if len(ids) <= MOST_TOKENS else [*ids[: MOST_TOKENS - 1], ids[-1]]


def _batches(texts: Sequence[Ids]) -> Iterator[list[int]]:
    """The numbers of texts to be read together: of one length, and not more than fit well into memory."""
    by_length: dict[int, list[int]] = {}
    for number, ids in enumerate(texts):
        by_length.setdefault(len(ids), []).append(number)
    for length, numbers in by_length.items():
        size = max(1, BATCH_TOKENS // length)
        for start in range(0, len(numbers), size):
            yield numbers[start : start + size]

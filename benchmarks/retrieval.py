"""Search in one large store, in this process, on SQLite: `python -m benchmarks.retrieval`.

100 000 chunks of 384 dimensions with prepared vectors, their words drawn as often as in a language (Zipf's law). Prints
the rate of insertion, the time of a search by each way (median and 95th percentile), the memory that the store takes,
and the rate at which the embedded model turns 1 000 texts into vectors.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import tempfile
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from providers.embeddings.interface import EmbeddingsRequest
from providers.embeddings.local import Local
from storage.database import Database
from storage.search import NewChunk, Query, SearchIndex

CHUNKS, DIMENSIONS, AT_ONCE, WORDS_A_CHUNK = 100_000, 384, 500, 60
VOCABULARY, EXPONENT = 50_000, 1.1
SEARCHES, EMBEDDED = 100, 1_000


def texts(random: np.random.Generator, count: int, words: int) -> list[str]:
    drawn = np.minimum(random.zipf(EXPONENT, (count, words)), VOCABULARY)
    return [" ".join(f"w{word}" for word in row) for row in drawn.tolist()]


def vectors(random: np.random.Generator, count: int) -> Any:
    return random.standard_normal((count, DIMENSIONS), np.float32)


def resident_megabytes() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024


async def fill(index: SearchIndex, random: np.random.Generator) -> int:
    async with index.database.writing() as tx:
        collection_no = await index.create(tx, "bench", DIMENSIONS)
        document_no = await index.add_document(tx, collection_no, {})
    spent = 0.0
    for start in range(0, CHUNKS, AT_ONCE):
        prepared = zip(texts(random, AT_ONCE, WORDS_A_CHUNK), vectors(random, AT_ONCE), strict=True)
        chunks = [NewChunk(text, array("f", vector.tobytes())) for text, vector in prepared]
        began = time.perf_counter()
        await index.insert(document_no, start, chunks)
        spent += time.perf_counter() - began
    async with index.database.writing() as tx:
        await index.publish(tx, document_no)
    print(f"inserted {CHUNKS} chunks of {DIMENSIONS} dimensions: {CHUNKS / spent:.0f} a second")
    return collection_no


async def measure(index: SearchIndex, name: str, queries: Sequence[Query]) -> None:
    spent = []
    for query in queries:
        began = time.perf_counter()
        await index.search(query)
        spent.append((time.perf_counter() - began) * 1000)
    print(f"{name:8} p50 {statistics.median(spent):6.1f} ms   p95 {statistics.quantiles(spent, n=20)[-1]:6.1f} ms")


async def search(index: SearchIndex, collection_no: int, random: np.random.Generator) -> None:
    said = texts(random, SEARCHES, 8)
    wanted = [array("f", vector.tobytes()) for vector in vectors(random, SEARCHES)]
    before, began = resident_megabytes(), time.perf_counter()
    await index.search(Query(collection_no, 10, vector=wanted[0]))
    print(f"first search, which loads the vectors: {time.perf_counter() - began:.2f} s")
    print(f"memory: {before:.0f} MB before it, {resident_megabytes():.0f} MB after")
    await measure(index, "vectors", [Query(collection_no, 10, vector=vector) for vector in wanted])
    await measure(index, "words", [Query(collection_no, 10, (text,)) for text in said])
    both = zip(said, wanted, strict=True)
    await measure(index, "hybrid", [Query(collection_no, 10, (text,), vector) for text, vector in both])


async def embed() -> None:
    embedder, request = Local(), EmbeddingsRequest("all-minilm-l6-v2", ["to load the model"])
    await embedder.embed(request)
    said = [
        f"Sentence {n} is about the river that flows by house number {n}, and about its bridge."
        for n in range(EMBEDDED)
    ]
    began = time.perf_counter()
    for start in range(0, EMBEDDED, 64):
        await embedder.embed(EmbeddingsRequest("all-minilm-l6-v2", said[start : start + 64]))
    print(f"embedded {EMBEDDED} texts of 20 words: {EMBEDDED / (time.perf_counter() - began):.0f} a second")


async def run(folder: Path) -> None:
    database = Database.open(f"sqlite:///{folder}/bench.db")
    await database.upgrade()
    index, random = SearchIndex(database), np.random.default_rng(1)
    collection_no = await fill(index, random)
    await search(index, collection_no, random)
    size = await asyncio.to_thread(lambda: sum(file.stat().st_size for file in folder.iterdir()) / 2**20)
    print(f"on disk: {size:.0f} MB; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    await database.close()
    await embed()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()

"""Search over SQLite and Postgres: the same chunks in the same order, with the same scores, by all of its ways."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from storage.database import Database
from storage.search import Attribute, Every, Filter, NewChunk, Query, SearchIndex, Some
from storage.search.index import MOST_BYTES
from storage.search.words import words_of
from tests.contract.storage.conftest import Two

TEXTS = [
    "The heron stands in the river",
    "Rivers carry sand, and sand, and sand to the sea",
    "A herd of cows by the sea: cows, cows",
    "Über den Fluss führt eine Brücke",
    "橋は川の上にある",
    "error E-1042: valve is closed",
]


def vector(*numbers: float) -> array[float]:
    return array("f", numbers)


def chunks(texts: Sequence[str], seed: int = 1) -> list[NewChunk]:
    random = Random(seed)
    return [
        NewChunk(text, vector(*(random.uniform(-1, 1) for _ in range(4))), start=at) for at, text in enumerate(texts)
    ]


async def document(
    index: SearchIndex, collection_no: int, made: Sequence[NewChunk], attributes: dict[str, Any] | None = None
) -> int:
    async with index.database.writing() as tx:
        number = await index.add_document(tx, collection_no, attributes or {})
    assert await index.insert(number, 0, made)
    async with index.database.writing() as tx:
        await index.publish(tx, number)
    return number


async def found(index: SearchIndex, collection_no: int, *texts: str, **wish: Any) -> list[tuple[str, float]]:
    hits = await index.search(Query(collection_no, wish.pop("limit", 10), texts, **wish))
    return [(hit.chunk.text, hit.score) for hit in hits]


async def texts(index: SearchIndex, collection_no: int, *said: str, **wish: Any) -> list[str]:
    return [text for text, _ in await found(index, collection_no, *said, **wish)]


@pytest.fixture
def index(database: Database) -> SearchIndex:
    return SearchIndex(database)


@pytest.fixture
async def collection(index: SearchIndex, projects: Two) -> int:
    async with index.database.writing() as tx:
        return await index.create(tx, projects.mine.id, 4)


async def test_words_find_chunks_whatever_their_script_and_form(index: SearchIndex, collection: int) -> None:
    await document(index, collection, chunks(TEXTS))
    assert await found(index, collection, "sand of the river") == [(TEXTS[1], 0.758571), (TEXTS[0], 0.526595)]
    assert await texts(index, collection, "BRÜCKE") == [TEXTS[3]]
    assert await texts(index, collection, "川の") == [TEXTS[4]]
    assert await texts(index, collection, "e-1042") == [TEXTS[5]]
    assert sorted(await texts(index, collection, "the")) == sorted(TEXTS[:3])
    assert await texts(index, collection, "heron", "cow") == [TEXTS[2], TEXTS[0]]


@pytest.mark.parametrize("said", ['"', "AND", "heron AND (", "a:b*", "NEAR(", "''", "\\", "-", "& | !", ":*", "\u0000"])
async def test_no_text_is_an_error(index: SearchIndex, collection: int, said: str) -> None:
    await document(index, collection, chunks(["AND NEAR heron a b"]))
    assert len(await texts(index, collection, said)) <= 1


async def test_vectors_find_the_nearest_and_their_length_does_not_matter(index: SearchIndex, collection: int) -> None:
    made = [
        NewChunk("east", vector(3, 0, 0, 0)),
        NewChunk("north", vector(0, 1, 0, 0)),
        NewChunk("none", vector(0, 0, 0, 0)),
    ]
    await document(index, collection, made)
    assert await found(index, collection, vector=vector(1, 1, 0, 0), limit=2) == [
        ("east", 0.707107),
        ("north", 0.707107),
    ]
    assert await found(index, collection, vector=vector(-1, 5, 0, 0), limit=1) == [("north", 0.980581)]
    assert await found(index, collection, vector=vector(0, 9, 0, 0), threshold=0.5) == [("north", 1.0)]
    with pytest.raises(ValueError, match="3 dimensions, and not 4"):
        await found(index, collection, vector=vector(1, 1, 1))
    with pytest.raises(ValueError, match="3 dimensions, and not 4"):
        await document(index, collection, [NewChunk("", vector(1, 1, 1))])


async def test_both_are_merged_by_rank_and_weight(index: SearchIndex, collection: int) -> None:
    made = [
        NewChunk("cat", vector(1, 0, 0, 0)),
        NewChunk("dog", vector(0, 1, 0, 0)),
        NewChunk("bird", vector(0, 0, 1, 0)),
    ]
    await document(index, collection, made)
    near_cat = {"vector": vector(1, 0.2, 0.1, 0)}
    assert await texts(index, collection, "cat", **near_cat) == ["cat", "dog", "bird"]
    assert await found(index, collection, "cat", limit=1, **near_cat) == [("cat", 1.0)]
    assert await texts(index, collection, "bird", words_weight=3.0, **near_cat) == ["bird", "cat", "dog"]
    assert await texts(index, collection, "bird", words_weight=0.0, **near_cat) == ["cat", "dog", "bird"]
    by_score = await found(index, collection, "bird", is_by_score=True, **near_cat)
    assert [text for text, _ in by_score] == ["cat", "bird", "dog"]
    assert await texts(index, collection, "cat", threshold=0.9, **near_cat) == ["cat"]


FILTERS: list[tuple[Filter, str]] = [
    (Attribute("kind", "eq", "a"), "a1 a2"),
    (Attribute("kind", "ne", "a"), "b3 none"),
    (Attribute("year", "gt", 1), "a2 b3"),
    (Attribute("year", "gte", 1), "a1 a2 b3"),
    (Attribute("year", "lt", 2.5), "a1 a2"),
    (Attribute("year", "lte", "2"), ""),
    (Attribute("year", "in", [1, 3]), "a1 b3"),
    (Attribute("year", "nin", [1, 3]), "a2 none"),
    (Attribute("done", "eq", 1), ""),
    (Attribute("done", "eq", True), "a1"),
    (Every([Attribute("kind", "eq", "a"), Some([Attribute("year", "eq", 2), Attribute("year", "eq", 3)])]), "a2"),
    (Every([]), "a1 a2 b3 none"),
    (Some([]), ""),
]


@pytest.mark.parametrize(("filter", "names"), FILTERS)
async def test_filters_choose_documents_by_their_attributes(
    index: SearchIndex, collection: int, filter: Filter, names: str
) -> None:
    described: dict[str, dict[str, Any]] = {
        "a1": {"kind": "a", "year": 1, "done": True},
        "a2": {"kind": "a", "year": 2},
        "b3": {"kind": "b", "year": 3},
        "none": {},
    }
    for name, attributes in described.items():
        await document(index, collection, [NewChunk(f"{name} word", vector(1, 0, 0, 0))], attributes)
    wanted = [f"{name} word" for name in names.split()]
    assert sorted(await texts(index, collection, "word", filter=filter)) == wanted
    assert sorted(await texts(index, collection, vector=vector(1, 0, 0, 0), filter=filter)) == wanted
    assert sorted(await texts(index, collection, "word", vector=vector(1, 0, 0, 0), filter=filter)) == wanted


async def test_a_document_is_found_from_its_publication_to_its_retirement(index: SearchIndex, collection: int) -> None:
    async with index.database.writing() as tx:
        number = await index.add_document(tx, collection, {})
    await index.insert(number, 0, chunks(TEXTS[:2]))
    await index.insert(number, 2, chunks(TEXTS[2:]))
    assert await texts(index, collection, "cow", vector=vector(1, 1, 1, 1)) == []
    async with index.database.writing() as tx:
        await index.publish(tx, number)
    assert (await texts(index, collection, "cow"), await index.count(number)) == ([TEXTS[2]], 6)
    assert [(chunk.position, chunk.text) for chunk in await index.chunks(number)] == list(enumerate(TEXTS))
    async with index.database.writing() as tx:
        await index.describe(tx, number, {"a": 1})
    assert await texts(index, collection, "cow", filter=Attribute("a", "eq", 1)) == [TEXTS[2]]
    async with index.database.writing() as tx:
        await index.retire(tx, number)
    assert await texts(index, collection, "cow", vector=vector(1, 1, 1, 1)) == []


async def test_what_is_removed_leaves_nothing_behind(index: SearchIndex, collection: int) -> None:
    stays = await document(index, collection, chunks(TEXTS[:1]))
    goes = await document(index, collection, chunks(TEXTS))
    assert len(await texts(index, collection, vector=vector(1, 1, 1, 1))) == 7
    assert [await index.remove_some(goes, 4) for _ in range(3)] == [4, 2, 0]
    assert await texts(index, collection, vector=vector(1, 1, 1, 1)) == TEXTS[:1]
    assert await texts(index, collection, "heron cow") == TEXTS[:1]
    left = await index.get(collection)
    assert left is not None
    assert (left.chunks, left.words) == (1, len(words_of(TEXTS[0])))
    assert not await index.insert(goes, 6, chunks(TEXTS))
    assert await index.count(stays) == 1
    again = await document(index, collection, chunks(TEXTS[1:2]))
    assert await texts(index, collection, "sand") == TEXTS[1:2]
    assert again != goes
    await index.drop(collection)
    assert await index.get(collection) is None
    assert await texts(index, collection, "heron") == []


async def test_collections_do_not_see_each_other(index: SearchIndex, collection: int, projects: Two) -> None:
    async with index.database.writing() as tx:
        other = await index.create(tx, projects.other.id, 2)
    await document(index, collection, chunks(TEXTS))
    before = await found(index, collection, "heron")
    await document(index, other, [NewChunk("heron heron", vector(1, 0))] * 5)
    assert await found(index, collection, "heron") == before
    assert len(await texts(index, other, "heron", vector=vector(1, 0))) == 5


async def test_another_process_sees_every_change(index: SearchIndex, collection: int) -> None:
    second = SearchIndex(index.database)
    number = await document(index, collection, chunks(TEXTS[:3]))
    assert await texts(second, collection, vector=vector(1, 1, 1, 1)) == await texts(
        index, collection, vector=vector(1, 1, 1, 1)
    )
    await document(index, collection, chunks(TEXTS[3:], seed=2))
    while await index.remove_some(number):
        pass
    assert sorted(await texts(second, collection, vector=vector(1, 1, 1, 1))) == sorted(TEXTS[3:])
    assert await texts(second, collection, "valve") == TEXTS[5:]
    assert await texts(second, collection, "sand") == []


async def test_writers_at_the_same_time_lose_nothing(index: SearchIndex, collection: int) -> None:
    await asyncio.gather(*(document(index, collection, chunks([f"writer{n} word"] * 20, seed=n)) for n in range(8)))
    assert len(await texts(index, collection, "word", limit=500)) == 160
    assert len(await texts(index, collection, vector=vector(1, 1, 1, 1), limit=500)) == 160


@pytest.mark.parametrize("most_bytes", [1, MOST_BYTES])
async def test_many_chunks_are_found_as_by_plain_arithmetic(database: Database, projects: Two, most_bytes: int) -> None:
    index, random = SearchIndex(database, most_bytes), Random(7)
    async with database.writing() as tx:
        numbers = [await index.create(tx, projects.mine.id, 4) for _ in range(2)]
    made = {}
    for number in numbers:
        made[number] = chunks([" ".join(random.choices("abcdefgh", k=12)) for _ in range(300)], seed=number)
        await document(index, number, made[number])
    for number in numbers * 2:
        wanted = vector(*(random.uniform(-1, 1) for _ in range(4)))
        hits = await index.search(Query(number, 300, vector=wanted))
        plain = [max(0.0, _cosine(made[number][hit.chunk.start].vector, wanted)) for hit in hits]
        assert len(plain) == 300
        assert [hit.score for hit in hits] == pytest.approx(plain, abs=2e-6)
        assert plain == pytest.approx(sorted(plain, reverse=True), abs=2e-6)


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths: list[float] = [sum(number * number for number in numbers) ** 0.5 for numbers in (one, other)]
    product: float = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (lengths[0] * lengths[1])

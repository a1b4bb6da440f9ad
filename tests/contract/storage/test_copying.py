"""Every table, from SQLite and from Postgres, to SQLite and to Postgres, directly and by way of an archive."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, insert, select, text, update

from storage.blobs.local import LocalBlobs
from storage.copying.archive import BlobCount, reading
from storage.copying.backup import BackedUp, Wanted, back_up, copy_database, restoring
from storage.copying.copying import compare, load_into, snapshot_of
from storage.copying.shapes import Column, Row, Shape
from storage.database import Database
from storage.errors import CopyRefused, SchemaMismatch
from storage.migrations import HEAD
from storage.migrations.run import upgrade
from storage.presence import Presence
from storage.repositories.blobs import BlobRows
from storage.search import Query, SearchIndex
from storage.tables import METADATA
from storage.tables.files import BlobRow
from storage.tables.history import RequestFeedbackRow
from storage.tables.search import SearchDocumentRow
from storage.tables.tenancy import OrganisationRow, ProjectRow
from storage.tables.types import core, instant
from tests.contract.storage.conftest import fresh_database
from tests.contract.storage.test_search import TEXTS, chunks, document, vector

NAMES = ("a", "a b", "aB", "ab", "z", "Ä", "ÿ", "\uffee", "\U0001f600")
"""In the order of code points, which is neither that of a language nor that of UTF-16."""
PIECES = {"one": b"one", "many/zeros": b"\0" * 3_000_000, "none": b""}
either = pytest.mark.parametrize("target_url", ["same", "other"], indirect=True)
BLOBS, DOCUMENTS = core(BlobRow), core(SearchDocumentRow)
ALL_TABLES = {table.name for table in METADATA.sorted_tables}
OF_PROCESSES = {"processes", "job_workers", "open_streams"}


@contextmanager
def fresh(request: pytest.FixtureRequest, dialect: str, folder: Path) -> Iterator[str]:
    if dialect == "sqlite":
        yield f"sqlite:///{folder}/concordat.db"
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def source_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh(request, request.param, tmp_path / "source") as url:
        yield url


@pytest.fixture
def target_url(request: pytest.FixtureRequest, source_url: str, tmp_path: Path) -> Iterator[str]:
    """Of the other kind, unless a test says `same`."""
    is_sqlite = source_url.startswith("sqlite") == (getattr(request, "param", "other") == "same")
    with fresh(request, "sqlite" if is_sqlite else "postgresql", tmp_path / "target") as url:
        yield url


@pytest.fixture
async def source(source_url: str) -> AsyncIterator[Database]:
    opened = Database.open(source_url)
    await opened.upgrade()
    yield opened
    await opened.close()


@pytest.fixture
async def target(target_url: str) -> AsyncIterator[Database]:
    opened = Database.open(target_url, is_made=False)
    yield opened
    await opened.close()


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


def value(column: Column, number: int, name: str) -> Any:
    """Texts are the same in all tables, so that rows refer to rows that are there; so are numbers."""
    return {
        "text": name,
        "integer": number + 1,
        "real": [0.1, -1e300, float("inf")][number % 3],
        "boolean": number % 2 == 0,
        "instant": f"2026-03-18 09:30:00.{number:06}",
        "document": orjson.dumps({"b": [1e30, None, name], "a": {"ü": 0.1}}).decode(),
        "bytes": struct.pack("<4f", 0.5, -0.5, number, 0.1),
    }[column.kind]


def row(shape: Shape, number: int, name: str) -> Row:
    """Of the first, what may be empty is."""
    table = METADATA.tables.get(shape.name)
    if shape.name == "search_words":
        return (number + 1, number + 1, number + 1, f"1__{name.encode().hex()}:3 1_b:{number + 1}")
    names = {c.name: c for c in table.columns} if table is not None else {}
    return tuple(
        None if number == 0 and names[column.name].nullable else value(column, number, name) for column in shape.columns
    )


async def fill(database: Database, folder: Path) -> None:
    """Every table, by the loader itself, in a database that has no tables yet."""
    async with load_into(database, HEAD) as load:
        for shape in await load.shapes():
            await load.write(shape, [row(shape, number, name) for number, name in enumerate(NAMES)])
        await load.count_on({"search_documents": 1000, "request_feedback": len(NAMES)})


async def everything(database: Database) -> dict[str, list[Row]]:
    async with snapshot_of(database) as snapshot:
        return {
            shape.name: [row async for rows in snapshot.rows(shape) for row in rows]
            for shape in await snapshot.shapes()
        }


async def put(database: Database, store: LocalBlobs, pieces: dict[str, bytes]) -> None:
    async def once(piece: bytes) -> AsyncIterator[bytes]:
        yield piece

    for key, piece in pieces.items():
        await BlobRows(database).announce("project", key, instant(2e9))
        await store.put(key, once(piece))
        async with database.writing() as tx:
            await BlobRows(database).hold(tx, "project", key)


async def save(database: Database, store: LocalBlobs, file: Path, **more: Any) -> BackedUp:
    return await back_up(database, store, Wanted(file, "2026-03-18T09:30:00Z", "1.0", **more))


async def restore(file: Path, target: Database, store: LocalBlobs) -> None:
    async with restoring(file, target) as found:
        await found.run(target, store)


async def keep_projects(database: Database, *slugs: str) -> None:
    async with database.writing() as tx:
        await tx.execute(insert(core(OrganisationRow)).values(id="o", slug="o", name="o", created_at=instant(0)))
        for slug in slugs:
            fields = {"id": slug, "organisation_id": "o", "slug": slug, "name": slug, "created_at": instant(0)}
            await tx.execute(insert(core(ProjectRow)).values(fields))


@either
async def test_every_table_is_copied_row_by_row(source_url: str, target: Database, tmp_path: Path) -> None:
    source = Database.open(source_url, is_made=False)
    await fill(source, tmp_path)
    copied = await copy_database(source, target)
    here, there = await everything(source), await everything(target)
    assert here.keys() == there.keys() == ALL_TABLES - OF_PROCESSES | {"search_words"}
    assert {name: len(rows) for name, rows in there.items()} == dict.fromkeys(here, len(NAMES))
    assert copied.rows == len(here) * len(NAMES)
    async with snapshot_of(source) as ours, snapshot_of(target) as theirs:
        assert [difference async for difference in compare(ours, theirs)] == []
    assert await target.revision() == HEAD
    await source.close()


@either
async def test_every_table_goes_through_an_archive(
    source_url: str, target: Database, tmp_path: Path, file: Path, store: LocalBlobs
) -> None:
    source = Database.open(source_url, is_made=False)
    await fill(source, tmp_path)
    async with source.writing() as tx:
        await tx.execute(BLOBS.delete())
    await put(source, store, PIECES)
    done = await save(source, store, file)
    elsewhere = LocalBlobs(tmp_path / "elsewhere")
    await restore(file, target, elsewhere)
    async with snapshot_of(source) as ours, snapshot_of(target) as theirs:
        assert [difference async for difference in compare(ours, theirs)] == []
    assert done.manifest.blobs == BlobCount(3, 3_000_003, 0)
    assert done.manifest.rows == sum(len(rows) for rows in (await everything(target)).values())
    for key, piece in PIECES.items():
        found = await elsewhere.get(key)
        assert found is not None
        assert b"".join([part async for part in found]) == piece
    await source.close()


async def test_numbers_go_on_behind_those_of_the_source(source_url: str, target: Database, tmp_path: Path) -> None:
    source = Database.open(source_url, is_made=False)
    await fill(source, tmp_path)
    await copy_database(source, target)
    values = {"project_id": "p", "collection_no": 1, "is_live": True, "attributes": {}}
    feedback = core(RequestFeedbackRow)
    told = {"request_id": "r", "project_id": "p", "model": "m", "created_at": instant(0)}
    async with target.writing() as tx:
        assert await tx.scalar(DOCUMENTS.insert().values(values).returning(DOCUMENTS.c.no)) == 1001
        assert await tx.scalar(feedback.insert().values(told).returning(feedback.c.id)) == len(NAMES) + 1
    await source.close()


async def test_a_copy_finds_what_the_source_found(source: Database, target: Database) -> None:
    async def hits(database: Database) -> list[tuple[str, float]]:
        index = SearchIndex(database)
        queries = [Query(number, 10, ("sand sea",), vector(1, 2, 3, 4)), Query(number, 10, ("Brücke",))]
        return [(hit.chunk.text, round(hit.score, 5)) for query in queries for hit in await index.search(query)]

    index = SearchIndex(source)
    async with source.writing() as tx:
        number = await index.create(tx, "project", 4)
    await document(index, number, chunks(TEXTS))
    await copy_database(source, target)
    assert await hits(target) == await hits(source) != []


async def test_captured_text_is_indexed_once(source: Database, target: Database) -> None:
    fields = "request_id, message_seq, project_id, at, kind, role, content, is_truncated"
    when = "'2026-03-18 09:30:00.000000'" + ("" if source.dialect == "sqlite" else "::timestamptz")
    async with source.writing() as tx:
        await tx.execute(
            text(
                f"INSERT INTO captured_messages ({fields}) VALUES ('r', 1, 'p', {when}, 'chat', 'user', 'herons', :no)"
            ),
            {"no": False},
        )
    await copy_database(source, target)
    query = {
        "sqlite": "SELECT count(*) FROM captured_messages_text WHERE captured_messages_text MATCH 'herons'",
        "postgresql": "SELECT count(*) FROM captured_messages WHERE terms @@ 'herons'::tsquery",
    }
    async with target.writing() as tx:
        assert await tx.scalar(text(query[target.dialect])) == 1
        await tx.execute(text("DELETE FROM captured_messages"))
        assert await tx.scalar(text(query[target.dialect])) == 0


async def test_a_difference_is_found_wherever_it_is(source_url: str, target: Database, tmp_path: Path) -> None:
    source = Database.open(source_url, is_made=False)
    await fill(source, tmp_path)
    await copy_database(source, target)
    async with target.writing() as tx:
        await tx.execute(update(core(OrganisationRow)).where(core(OrganisationRow).c.id == "ÿ").values(name="other"))
        await tx.execute(text("DELETE FROM meters WHERE kind = 'Ä'"))
        await tx.execute(text("INSERT INTO changes (name, counter) VALUES ('aa', 1)"))
    async with snapshot_of(source) as ours, snapshot_of(target) as theirs:
        found = {str(difference) async for difference in compare(ours, theirs)}
    assert found == {
        "organisations 'ÿ': different in name",
        "meters 'Ä', 'Ä', 'Ä': missing in the copy",
        "changes 'aa': only in the copy",
    }
    await source.close()


async def test_a_copy_waits_for_processes_to_stop(source: Database, target: Database) -> None:
    presence = Presence(source)
    await presence.beat()
    with pytest.raises(CopyRefused, match="1 processes use the database"):
        await copy_database(source, target)
    await presence.leave()
    assert (await copy_database(source, target)).jobs == 0


async def test_nothing_is_written_over(source: Database, target: Database, file: Path, store: LocalBlobs) -> None:
    await keep_projects(source, "mine")
    await save(source, store, file)
    await restore(file, target, store)
    async with target.writing() as tx:
        await tx.execute(update(core(ProjectRow)).values(name="changed"))
    with pytest.raises(CopyRefused, match=r"not empty|already"):
        await restore(file, target, store)
    with pytest.raises(CopyRefused, match=r"not empty|already"):
        await copy_database(source, target)
    with pytest.raises(CopyRefused, match="a file already"):
        await save(source, store, file)
    async with target.reading() as connection:
        assert await connection.scalar(select(core(ProjectRow).c.name)) == "changed"


@either
async def test_a_restore_that_fails_leaves_nothing_and_can_be_done_again(
    source: Database, target: Database, file: Path, store: LocalBlobs, tmp_path: Path
) -> None:
    await keep_projects(source, "mine")
    await put(source, store, PIECES)
    await save(source, store, file)
    elsewhere = LocalBlobs(tmp_path / "elsewhere")
    async with restoring(file, target) as found:
        await found.run(target, elsewhere)
    if target.dialect == "sqlite":
        await target.close()
        target.path.unlink()
    else:
        async with target.writing() as tx:
            await tx.execute(text("DROP SCHEMA public CASCADE"))
            await tx.execute(text("CREATE SCHEMA public"))
    with pytest.raises(CopyRefused, match="broken off"):
        await break_off(target)
    async with restoring(file, target) as found:  # the blobs are there already
        await found.run(target, elsewhere)
    async with target.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(core(ProjectRow))) == 1


async def break_off(target: Database) -> None:
    async with load_into(target, HEAD) as load:
        shape = next(shape for shape in await load.shapes() if shape.name == "organisations")
        await load.write(shape, [row(shape, 1, "o")])
        raise CopyRefused("broken off")


async def test_a_damaged_archive_is_refused(source: Database, target: Database, file: Path, store: LocalBlobs) -> None:
    await keep_projects(source, "mine")
    await save(source, store, file)
    changed = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"mine", b"mind") if name == "tables/projects.jsonl" else content)
    with pytest.raises(CopyRefused, match=r"damaged: tables/projects\.jsonl"):
        await restore(changed, target, store)
    cut = file.with_name("cut.zip")
    cut.write_bytes(file.read_bytes()[:-100])  # noqa: ASYNC240
    with pytest.raises(CopyRefused, match="no backup"):
        await restore(cut, target, store)
    await restore(file, target, store)


async def test_another_blob_of_the_same_name_is_not_written_over(
    source: Database, target: Database, file: Path, store: LocalBlobs, tmp_path: Path
) -> None:
    await put(source, store, {"key": b"mine"})
    await save(source, store, file)
    elsewhere = LocalBlobs(tmp_path / "elsewhere")
    await put(source, elsewhere, {})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/key").write_bytes(b"other")
    with pytest.raises(CopyRefused, match="the blob key"):
        await restore(file, target, elsewhere)
    assert (tmp_path / "elsewhere/key").read_bytes() == b"other"


async def test_an_archive_of_an_older_schema_is_migrated_and_one_of_a_newer_refused(
    source_url: str, target: Database, file: Path, store: LocalBlobs
) -> None:
    source = Database.open(source_url)
    async with source.writing() as tx:
        await tx.run_sync(lambda connection: upgrade(connection, "0009"))
    await keep_projects(source, "old")
    await save(source, store, file)
    await restore(file, target, store)
    assert await target.revision() == HEAD
    async with target.reading() as connection:
        assert await connection.scalar(select(core(ProjectRow).c.slug)) == "old"
    async with source.writing() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match="9999"):
        await save(source, store, file.with_name("newer.zip"))
    newer = file.with_name("rewritten.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"revision": "0009"', b'"revision": "9999"'))
    with pytest.raises(SchemaMismatch, match="9999"):
        await restore(newer, target, store)
    await source.close()


async def test_no_blob_is_removed_while_a_backup_is_made(source: Database, store: LocalBlobs, file: Path) -> None:
    await put(source, store, {"held": b"held"})
    await BlobRows(source).announce("project", "unheld", instant(0))
    during = []

    class Looking(LocalBlobs):
        async def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes] | None:
            async with source.writing() as tx:
                await BlobRows(source).release(tx, "project", key, instant(0))
            during.append(await BlobRows(source).doom(instant(1), 10))
            return await super().get(key, start, stop)

    done = await save(source, Looking(store.folder), file)
    assert (during, done.manifest.blobs.count) == ([[]], 1)
    assert sorted(await BlobRows(source).doom(instant(1), 10)) == ["held", "unheld"]


async def test_what_the_store_has_lost_is_told(source: Database, store: LocalBlobs, file: Path) -> None:
    await put(source, store, {"lost": b"lost", "there": b"there"})
    await store.delete("lost")
    done = await save(source, store, file)
    assert (done.missing, done.manifest.blobs) == (["lost"], BlobCount(1, 5, 1))


async def test_a_backup_is_of_one_moment(source: Database, store: LocalBlobs, file: Path) -> None:
    await keep_projects(source, *(f"p{number:04}" for number in range(300)))
    async with snapshot_of(source) as snapshot:
        shapes = {shape.name: shape for shape in await snapshot.shapes()}
        rows = snapshot.rows(shapes["projects"])
        seen = await anext(rows)
        async with source.writing() as tx:
            await tx.execute(update(core(ProjectRow)).values(name="changed"))
            await tx.execute(text("DELETE FROM projects WHERE id = 'p0299'"))
        async for more in rows:
            seen += more
    assert {row[shapes["projects"].names.index("name")] for row in seen} == {f"p{number:04}" for number in range(300)}


async def test_a_value_that_the_other_database_cannot_hold_is_named(source: Database, target: Database) -> None:
    if (source.dialect, target.dialect) != ("sqlite", "postgresql"):
        pytest.skip("SQLite alone holds such values")
    await keep_projects(source, "mine")
    async with source.writing() as tx:
        await tx.execute(text("UPDATE projects SET name = 'a' || char(0) || 'b'"))
    with pytest.raises(CopyRefused, match="a row of projects"):
        await copy_database(source, target)
    assert await target.revision() is None


async def test_the_secret_key_is_in_it_only_where_it_was_asked_for(
    source: Database, store: LocalBlobs, file: Path
) -> None:
    await save(source, store, file)
    await save(source, store, file.with_name("with.zip"), secret_key="k" * 43)
    with reading(file) as without, reading(file.with_name("with.zip")) as archive:
        assert not without.manifest.has_secret_key
        assert archive.text("secrets.key") == "k" * 43
    assert (file.stat().st_mode & 0o777, list(file.parent.glob("*~"))) == (0o600, [])  # noqa: ASYNC240

"""Durable execution: work that is done in steps and, after a crash, goes on from its last finished step.

The only module that knows `dbos`, which is imported by `start`, as it takes a second and 20 MB. It keeps its tables
apart from ours: on SQLite in a file beside the database (`concordat-jobs.db`), on Postgres in the schema `dbos`. All of
it runs on an event loop in a thread of its own, since it takes over the default executor of the loop that it runs on;
what is to be executed runs on the loop that called `start`, where the services live.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import orjson
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import InterfaceError, OperationalError

from storage.database import Database
from storage.errors import StorageUnavailable

if TYPE_CHECKING:
    from dbos import DBOS

Result = TypeVar("Result")

NAME = "concordat"
VERSION = "1"
"""The same in all processes, and for good: dbos runs only what was started under its own version."""
THREADS = 16
CONNECTIONS = 8
BUSY_SECONDS = 30.0
AT_ONCE = 500
"""How many workflows are listed or deleted with one statement."""
OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Steps(Protocol):
    """What a body does its work through, always in the same order: that is how a step is recognised again."""

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` answers, a JSON value. It is not called when a former execution has finished this step. What it
        raises is not remembered: then the step is not finished."""
        ...


Body = Callable[[str, Steps], Coroutine[Any, Any, None]]
"""Called with a workflow's id and its steps, again from the start after a crash. Whatever it raises ends the workflow
for good, except that one that is cancelled goes on when it is resumed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Who executes a workflow, or last did; `is_waiting` for anybody to go on with it."""

    process_id: str | None
    is_waiting: bool


class Workflows:
    """`process_id` tells this process from every other that was or will be. There is one of these in a process."""

    def __init__(self, database: Database, process_id: str, body: Body) -> None:
        self._database = database
        self._process_id = process_id
        self._body = body
        self._home: asyncio.AbstractEventLoop | None = None
        self._away = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._away.run_forever, name="workflows", daemon=True)
        self._engine: Engine | None = None
        self._dbos: type[DBOS] | None = None
        self._run: Callable[[str], Coroutine[Any, Any, None]] | None = None
        self._starting = asyncio.Lock()
        self._preparing: asyncio.Future[None] | None = None

    @property
    def is_started(self) -> bool:
        return self._run is not None

    async def start(self) -> None:
        """Does nothing when it is started. Makes and migrates the tables. Raises `StorageUnavailable`."""
        async with self._starting:
            if self._run is None:
                self._home = asyncio.get_running_loop()
                self._preparing = self._home.run_in_executor(None, self._prepare)
                await asyncio.shield(self._preparing)
                try:
                    await self._there(self._launch())
                except (OperationalError, InterfaceError) as error:
                    raise StorageUnavailable(f"background work cannot begin: {error.orig}") from error

    async def submit(self, workflow_id: str) -> None:
        """Executes it in this process; nothing happens when there is such a workflow."""
        from dbos import SetWorkflowID

        async def begin() -> None:
            assert self._dbos is not None
            assert self._run is not None
            with SetWorkflowID(workflow_id):
                await self._dbos.start_workflow_async(self._run, workflow_id)

        await self._there(begin())

    async def progress(self, workflow_ids: Iterable[str] | None = None) -> dict[str, Progress]:
        """Of those of these workflows, or of all, that there are and that are not over."""
        assert self._dbos is not None
        wanted = None if workflow_ids is None else list(workflow_ids)
        listing = self._dbos.list_workflows_async(
            workflow_ids=wanted, status=["PENDING", "ENQUEUED"], load_input=False, load_output=False
        )
        found = [] if wanted == [] else await self._there(listing)
        return {one.workflow_id: Progress(one.executor_id, one.status == "ENQUEUED") for one in found}

    async def resume(self, workflow_id: str) -> None:
        """Lets whichever process takes it first go on with a workflow that nobody executes any more."""
        assert self._dbos is not None
        await self._there(self._dbos.resume_workflow_async(workflow_id))

    async def forget(self, workflow_ids: Iterable[str]) -> None:
        """Then one of this id may be submitted anew."""
        assert self._dbos is not None
        ids = list(workflow_ids)
        if ids:
            await self._there(self._dbos.delete_workflows_async(ids))

    async def sweep(self) -> None:
        """Forgets workflows that are over."""
        assert self._dbos is not None
        listing = self._dbos.list_workflows_async(status=OVER, limit=AT_ONCE, load_input=False, load_output=False)
        await self.forget(one.workflow_id for one in await self._there(listing))

    async def stop(self) -> None:
        """To be called when no body runs any more: cancel them before."""
        if self._preparing is not None:
            await asyncio.wait({self._preparing})
        if self._thread.is_alive():
            await asyncio.to_thread(self._quit)
        if not self._away.is_running():
            self._away.close()

    def _prepare(self) -> None:
        import dbos

        logging.getLogger("dbos").addHandler(logging.NullHandler())  # else it writes to standard error by itself
        self._engine = (
            _sqlite_engine(self._database) if _is_sqlite(self._database) else _postgres_engine(self._database)
        )
        dbos.DBOS(
            config={
                "name": NAME,
                "application_version": VERSION,
                "executor_id": self._process_id,
                "system_database_engine": self._engine,
                "serializer": _serializer(),
                "max_executor_threads": THREADS,
                "use_listen_notify": False,
                "log_level": "ERROR",
            }
        )
        self._dbos = dbos.DBOS
        if not self._thread.is_alive():
            self._thread.start()

    async def _launch(self) -> None:
        """Here, because dbos runs workflows on the loop that it is launched on."""
        assert self._dbos is not None

        @self._dbos.workflow(name="job", max_recovery_attempts=None)
        async def run(workflow_id: str) -> None:
            assert self._home is not None
            body = self._body(workflow_id, _Steps(self))
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(body, self._home))

        try:
            self._dbos.launch()
        except BaseException:
            self._dbos.destroy(destroy_registry=True)  # so that it can be tried again
            raise
        self._run = run

    def _there(self, work: Coroutine[Any, Any, Result]) -> asyncio.Future[Result]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._away))

    def _quit(self) -> None:
        assert self._dbos is not None
        self._dbos.destroy(destroy_registry=True)
        self._run = None
        self._away.call_soon_threadsafe(self._away.stop)
        self._thread.join()
        if self._engine is not None:
            self._engine.dispose()


class _Steps:
    """Calls to dbos go to its loop with the caller's context, in which it finds the workflow."""

    def __init__(self, workflows: Workflows) -> None:
        self._workflows = workflows

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        from dbos import DBOS

        home = asyncio.get_running_loop()
        reached = home.create_future()
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()

        async def gate() -> Any:
            """Stands for the work in dbos, where it is reached only when there is no result of it yet."""
            home.call_soon_threadsafe(reached.set_result, None)
            return await asyncio.wrap_future(done)

        step = self._workflows._there(DBOS.run_step_async({"name": name}, gate))
        try:
            await asyncio.wait({reached, step}, return_when=asyncio.FIRST_COMPLETED)
            if reached.done():
                done.set_result(await work())
            return await step
        finally:
            done.cancel()
            step.cancel()


def _serializer() -> Any:
    """JSON in place of pickles, which would tie what is stored to our classes."""
    from dbos import Serializer

    class Json(Serializer):
        def serialize(self, data: Any) -> str:
            return orjson.dumps(data, default=_in_words).decode()

        def deserialize(self, serialized_data: str) -> Any:
            found = orjson.loads(serialized_data)
            return RuntimeError(found["error"]) if isinstance(found, dict) and found.keys() == {"error"} else found

        def name(self) -> str:
            return "json"

    return Json()


def _in_words(value: object) -> object:
    if isinstance(value, BaseException):
        return {"error": f"{type(value).__name__}: {value}"}
    raise TypeError(f"a step's result is JSON, not {type(value).__name__}")


def _is_sqlite(database: Database) -> bool:
    return database.dialect == "sqlite"


def _file(database: Database) -> Path:
    return database.path.with_name(f"{database.path.stem}-jobs{database.path.suffix}")


def _sqlite_engine(database: Database) -> Engine:
    """Made in WAL before dbos sees it. A commit need not survive the power going: our own tables say what is to be
    done, and a step that is forgotten is done again."""
    file = _file(database)
    if not file.exists():
        file.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{file}", pool_size=CONNECTIONS, max_overflow=0)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        connection.isolation_level = "IMMEDIATE"

    return engine


def _postgres_engine(database: Database) -> Engine:
    import psycopg

    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database.dsn),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
    )

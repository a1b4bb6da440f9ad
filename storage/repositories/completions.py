"""Stored chats, read; those made here are written by `storage.ledger`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Select, func, select, text, tuple_

from storage.chat_record import StoredChat
from storage.database import Database, Transaction
from storage.tables.chats import ChatCompletionRow
from storage.tables.types import core

CHATS = core(ChatCompletionRow)
FIELDS = tuple(CHATS.c[name] for name in StoredChat.__slots__)
AT_ONCE = 500
"""Chats in one statement: databases bound how many values it may have."""
PLACE = (CHATS.c.created_at, CHATS.c.key)

# a chat is one of those when no member of the filter is missing from its metadata
HOLDS_SQLITE = """NOT EXISTS (
    SELECT 1 FROM json_each(:members) AS wanted WHERE NOT EXISTS (
        SELECT 1 FROM json_each(chat_completions.metadata) AS held
        WHERE held.key = wanted.key AND held.value IS wanted.value
          AND (held.type = wanted.type OR (held.type IN ('integer', 'real') AND wanted.type IN ('integer', 'real')))
    )
)"""
HOLDS_POSTGRES = """NOT EXISTS (
    SELECT 1 FROM jsonb_each(CAST(:members AS jsonb)) AS wanted
    WHERE chat_completions.metadata -> wanted.key IS DISTINCT FROM wanted.value
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFilter:
    """What is None does not filter. `metadata` holds members that a chat's own must equal."""

    models: Collection[str] | None = None
    container_id: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`after` is the key of the chat before the first; `limit` None is all."""

    order: Literal["asc", "desc"] = "desc"
    limit: int | None = None
    offset: int = 0
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    database: Database

    async def get(self, project_id: str, completion_id: str) -> StoredChat | None:
        """The newest, should a vendor have used an id twice."""
        query = select(*FIELDS).where(CHATS.c.project_id == project_id, CHATS.c.id == completion_id)
        async with self.database.reading(settled=True) as connection:
            row = (await connection.execute(_ordered(query, "desc").limit(1))).one_or_none()
        return None if row is None else StoredChat(*row)

    async def made_by(self, project_id: str, request_id: str) -> StoredChat | None:
        """The chat that a request made and had stored."""
        query = select(*FIELDS).where(CHATS.c.project_id == project_id, CHATS.c.key == request_id)
        async with self.database.reading(settled=True) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else StoredChat(*row)

    async def list(self, project_id: str, which: ChatFilter, page: Page) -> list[StoredChat]:
        query = _ordered(self._chosen(select(*FIELDS), project_id, which), page.order)
        if page.after is not None:
            cursor = select(*PLACE).where(CHATS.c.project_id == project_id, CHATS.c.key == page.after).scalar_subquery()
            place = tuple_(*PLACE)
            query = query.where(place < cursor if page.order == "desc" else place > cursor)
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(query.limit(page.limit).offset(page.offset))
        return [StoredChat(*row) for row in rows]

    async def count(self, project_id: str, which: ChatFilter) -> int:
        query = self._chosen(select(func.count()).select_from(CHATS), project_id, which)
        async with self.database.reading(settled=True) as connection:
            return int((await connection.execute(query)).scalar_one())

    async def register(self, chats: Sequence[StoredChat]) -> set[str]:
        """Writes, of chats of one project, those whose id it does not have yet, all or none; answers their ids."""
        written: set[str] = set()
        async with self.database.writing(settled=True) as tx:
            for start in range(0, len(chats), AT_ONCE):
                written |= await self._register(tx, chats[start : start + AT_ONCE])
        return written

    async def _register(self, tx: Transaction, chats: Sequence[StoredChat]) -> set[str]:
        ids = [chat.id for chat in chats]
        known = select(CHATS.c.id).where(CHATS.c.project_id == chats[0].project_id, CHATS.c.id.in_(ids))
        taken = set((await tx.execute(known)).scalars())
        rows = [_values(chat) for chat in chats if chat.id not in taken]
        if not rows:
            return set()
        statement = self.database.insert(CHATS).on_conflict_do_nothing(index_elements=["key"])
        return set((await tx.execute(statement.returning(CHATS.c.id), rows)).scalars())

    def _chosen(self, query: Select[Any], project_id: str, which: ChatFilter) -> Select[Any]:
        query = query.where(CHATS.c.project_id == project_id)
        if which.models is not None:
            query = query.where(CHATS.c.model.in_(sorted(which.models)))
        if which.container_id is not None:
            query = query.where(CHATS.c.container_id == which.container_id)
        if which.metadata:
            query = query.where(self._holds(which.metadata))
        return query

    def _holds(self, metadata: dict[str, Any]) -> ColumnElement[bool]:
        members = orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS).decode()
        condition = HOLDS_SQLITE if self.database.dialect == "sqlite" else HOLDS_POSTGRES
        return text(condition).bindparams(members=members)  # type: ignore[return-value]


def _ordered(query: Select[Any], order: str) -> Select[Any]:
    return query.order_by(*(place.desc() if order == "desc" else place.asc() for place in PLACE))


def _values(chat: StoredChat) -> dict[str, Any]:
    return {name: getattr(chat, name) for name in StoredChat.__slots__}

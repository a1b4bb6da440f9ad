"""Objects of a bucket in the order of their keys, those that share what comes before a delimiter taken together."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.core.s3.store import ObjectStore
from storage.repositories.kv import successor
from storage.repositories.s3 import S3Object, from_key


@dataclass(frozen=True, slots=True)
class Wanted:
    """`after` is the key, or the common prefix, behind which the page begins."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """`entries` are objects and common prefixes, by key; `last` is where the next page goes on, None at the end."""

    entries: list[S3Object | str]
    last: str | None

    @property
    def objects(self) -> list[S3Object]:
        return [entry for entry in self.entries if isinstance(entry, S3Object)]

    @property
    def prefixes(self) -> list[str]:
        return [entry for entry in self.entries if isinstance(entry, str)]


@dataclass(frozen=True, slots=True)
class Listing:
    objects: ObjectStore

    async def page(self, project_id: str, bucket: str, wanted: Wanted) -> Page:
        await self.objects.bucket(project_id, bucket)
        if wanted.limit == 0:
            return Page([], None)
        entries: list[S3Object | str] = []
        start, inclusive = wanted.after or None, False
        group = _group(wanted.after, wanted)
        if group == wanted.after and group:
            start, inclusive = successor(group), True
            if start is None:
                return Page([], None)
        while True:
            conditions = from_key(wanted.prefix, start, inclusive=inclusive)
            found = await self.objects.rows.page(project_id, bucket, conditions, wanted.limit + 1)
            for one in found:
                group = _group(one.key, wanted)
                if group and entries and entries[-1] == group:
                    continue
                if len(entries) == wanted.limit:
                    return Page(entries, _name(entries[-1]))
                entries.append(group or one)
            if len(found) <= wanted.limit:
                return Page(entries, None)
            last = entries[-1]
            start, inclusive = found[-1].key, False
            if isinstance(last, str):  # the rest of the group need not be read
                behind = successor(last)
                if behind is None:
                    return Page(entries, None)
                start, inclusive = behind, True


def _group(key: str, wanted: Wanted) -> str:
    """The common prefix that a key falls under, empty for none."""
    if not wanted.delimiter or not key.startswith(wanted.prefix):
        return ""
    end = key.find(wanted.delimiter, len(wanted.prefix))
    return "" if end < 0 else key[: end + len(wanted.delimiter)]


def _name(entry: S3Object | str) -> str:
    return entry if isinstance(entry, str) else entry.key

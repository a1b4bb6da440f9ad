"""Reading what stands at an address that a caller chose: a picture, a page, a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from providers.errors import BrokenAnswer, Refused
from providers.http import HttpClient

REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Fetched(NamedTuple):
    """`url` is where the redirects led; names of headers are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetcher:
    """`http` must keep to an `Outbound`: every redirect then goes through the same gate. It is not closed here."""

    http: HttpClient
    most_redirects: int = 5

    async def get(self, url: str, largest_bytes: int, headers: Mapping[str, str] | None = None) -> Fetched:
        """`headers` go to every address on the way, so they must hold no secret. Raises `Refused` for an address that
        is not allowed, and all that `HttpClient.get` says."""
        if self.http.outbound is None:
            raise ValueError("a fetcher's client must keep to an Outbound")
        for _ in range(self.most_redirects + 1):
            answer = await self.http.get(url, headers or {}, largest_bytes)
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                return Fetched(url, answer.status, answer.headers, answer.body)
            url = _join(url, target)
        raise BrokenAnswer("the address redirects too often")


def _join(url: str, target: str) -> str:
    from yarl import URL

    try:
        return str(URL(url).join(URL(target)))
    except ValueError as error:
        raise Refused("the address redirects to what is no address") from error

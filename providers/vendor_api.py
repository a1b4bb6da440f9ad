"""Calling a vendor's JSON API: whole answers and streams of JSON events, faults told as `providers.errors`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from providers.errors import BrokenAnswer, ProviderError, Refused, Unavailable
from providers.http import JSON, SSE, Answer, HttpClient, Request, StreamedAnswer
from providers.vendor import Vendor, error_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VendorApi:
    """`headers` are the vendor's own, its key included; `clock` gives unix seconds, to read `Retry-After` dates.

    What can be prepared of the requests that post is kept: their paths are the few that an adapter has."""

    vendor: Vendor
    http: HttpClient
    headers: Mapping[str, str]
    clock: Callable[[], float]
    _whole: dict[str, Request] = field(default_factory=dict, init=False, repr=False)
    _streamed: dict[str, Request] = field(default_factory=dict, init=False, repr=False)

    async def post(self, path: str, body: Json) -> Json:
        request = self._whole.get(path)
        if request is None:
            request = self._whole[path] = self._prepare(path, JSON)
        answer = await self.http.ask(request, self._dump(body))
        if not 200 <= answer.status < 300:
            raise self._error(answer)
        return self.checked(answer.body)

    async def get(self, path: str) -> Json:
        answer = await self.http.get(self.vendor.url(path), {"accept": "application/json", **self._all_headers()})
        if not 200 <= answer.status < 300:
            raise self._error(answer)
        return self.checked(answer.body)

    async def stream(self, path: str, body: Json) -> AsyncGenerator[list[bytes], None]:
        """The events that came together, to be read with `checked`. Errors before the first are raised."""
        request = self._streamed.get(path)
        if request is None:
            request = self._streamed[path] = self._prepare(path, SSE)
        async with self.http.open(request, self._dump(body)) as answer:
            if not 200 <= answer.status < 300:
                raise self._error(Answer(answer.status, answer.fields, await answer.read()))
            if "json" in answer.headers.get("content-type", ""):
                raise await self._unstreamed(answer)
            async with aclosing(answer.events()) as portions:
                async for events in portions:
                    yield events

    def _prepare(self, path: str, usual: Mapping[str, str]) -> Request:
        return self.http.prepare("POST", self.vendor.url(path), {**usual, **self._all_headers()})

    def _all_headers(self) -> dict[str, str]:
        return {**self.headers, **self.vendor.headers}

    def _error(self, answer: Answer) -> ProviderError:
        return error_of(answer, self.vendor, self.clock())

    def _dump(self, body: Json) -> bytes:
        try:
            return orjson.dumps(body)
        except orjson.JSONEncodeError as error:
            raise Refused(f"the request cannot be written as JSON: {error}") from error

    def checked(self, content: bytes) -> Json:
        """A JSON object that is not an error. Some vendors send errors with status 200, and in streams all do."""
        try:
            parsed = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise self.broken("what is not JSON") from error
        if not isinstance(parsed, dict):
            raise self.broken("JSON that is not an object")
        if parsed.get("error"):
            raise self._error_inside(parsed["error"], content)
        return parsed

    def _error_inside(self, fault: Any, content: bytes) -> ProviderError:
        code = fault.get("code") if isinstance(fault, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else None
        kind = fault.get("type") if isinstance(fault, dict) else None
        answered = self._error(Answer(status or _STATUS_OF_TYPE.get(str(kind), 500), {}, content))
        answered.status = status
        return answered

    async def _unstreamed(self, answer: StreamedAnswer) -> ProviderError:
        try:
            self.checked(await answer.read())
        except ProviderError as error:
            return error
        return self.broken("a whole answer where a stream was asked for")

    def broken(self, what: str) -> ProviderError:
        return BrokenAnswer(f"{self.vendor.name}: answered with {what}", status=200)

    def cut(self) -> ProviderError:
        """The error for a stream that ended before its answer did."""
        return Unavailable(f"{self.vendor.name}: broke off in the middle of the answer")


_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""What Anthropic's errors in the middle of a stream would have been before it; OpenAI uses some of the names."""

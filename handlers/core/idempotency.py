"""Idempotency keys: a creating request that is repeated gets the first one's answer, and creates nothing.

match await idempotency.claim(project_id, key, operation_id, fingerprint):
    case Replay() as answer: ...        # send it again
    case Claimed() as claim: ...        # do it, then `complete(claim, Replay(...))`, or `release(claim)` on failure
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers.core.errors import Conflict, Invalid
from storage.database import Database
from storage.repositories.idempotency import IdempotencyEntry, IdempotencyKeys
from storage.tables.types import instant

KEPT_SECONDS = 86_400
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Claimed:
    """The request is ours to answer."""

    entry: IdempotencyEntry


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer as it was first sent. `digest` is that of a request's body that was read after its claim."""

    status: int
    headers: dict[str, str]
    body: bytes
    digest: str | None = None


class Idempotency:
    """`process_id` is `Presence.process_id`: a claim lasts as long as its process lives."""

    def __init__(
        self,
        database: Database,
        process_id: str,
        max_body_bytes: int = 1_048_576,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = IdempotencyKeys(database)
        self._process_id = process_id
        self._max_body_bytes = max_body_bytes
        self._clock = clock

    async def claim(self, project_id: str, key: str, operation_id: str, fingerprint: str) -> Claimed | Replay:
        """`fingerprint` tells one request from another: a hash of all that makes it up.

        Raises `Invalid` (`idempotency_key_reused`) when the key stands for another request, `Conflict` while the first
        is being answered (`idempotency_in_progress`) or when its answer was too large to keep
        (`idempotency_answer_not_kept`), and `StorageUnavailable`.
        """
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise Invalid(f"an idempotency key has 1 to {MAX_KEY_LENGTH} characters", code="invalid_idempotency_key")
        mine = IdempotencyEntry(
            project_id=project_id,
            key=key,
            claim_id=uuid.uuid4().hex,
            process_id=self._process_id,
            operation_id=operation_id,
            fingerprint=fingerprint,
            expires_at=instant(self._clock() + KEPT_SECONDS),
        )
        while not await self._keys.claim(mine, instant(self._clock())):
            first = await self._keys.get(project_id, key)
            if first is not None:
                return _replay(first, mine)
            # it was released between the two looks: claim it again
        return Claimed(mine)

    async def complete(self, claim: Claimed, answer: Replay) -> None:
        """Keeps the answer for 24 hours. One that is too large is not kept, but its request is not repeated either."""
        body = answer.body if len(answer.body) <= self._max_body_bytes else None
        kept = replace(claim.entry, status=answer.status, headers=answer.headers, body=body)
        if answer.digest is not None:
            kept = replace(kept, fingerprint=f"{kept.fingerprint}:{answer.digest}")
        await self._keys.answer(kept)

    def check_same(self, answer: Replay, digest: str) -> None:
        """Raises `Invalid` when the repeated request's body, read after its claim, is another."""
        if answer.digest != digest:
            raise _reused()

    async def release(self, claim: Claimed) -> None:
        """Frees the key of a request that created nothing."""
        await self._keys.release(claim.entry)


def _replay(first: IdempotencyEntry, mine: IdempotencyEntry) -> Replay:
    fingerprint, _, digest = first.fingerprint.partition(":")
    if (first.operation_id, fingerprint) != (mine.operation_id, mine.fingerprint):
        raise _reused()
    if first.status is None:
        raise Conflict("the first request with this idempotency key is not finished", code="idempotency_in_progress")
    if first.body is None:
        raise Conflict("the first request's answer was too large to keep", code="idempotency_answer_not_kept")
    return Replay(first.status, first.headers or {}, first.body, digest or None)


def _reused() -> Invalid:
    return Invalid("this idempotency key was used for another request", code="idempotency_key_reused")

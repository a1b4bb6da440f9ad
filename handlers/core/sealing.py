"""Secrets that must be read again (hashes would do for all others), encrypted at rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from handlers.core.errors import Unavailable

NONCE_BYTES = 12
KEY_BYTES = 32
PURPOSE = b"concordat secrets at rest, version 1"


@dataclass(slots=True)
class Seal:
    """AES-256-GCM. `secret` is read once, on first need; a key for this purpose is derived from it by HKDF-SHA256.

    What is sealed about one thing cannot be opened as another's.
    """

    secret: Callable[[], str]
    randomness: Callable[[int], bytes] = os.urandom
    _key: bytes | None = field(default=None, init=False, repr=False)

    async def seal(self, text: bytes, about: str) -> bytes:
        """A nonce and the ciphertext."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self.randomness(NONCE_BYTES)
        return nonce + AESGCM(await self._derived()).encrypt(nonce, text, about.encode())

    async def open(self, sealed: bytes, about: str) -> bytes:
        """Raises `Unavailable` for what was sealed with another secret."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return AESGCM(await self._derived()).decrypt(nonce, content, about.encode())
        except InvalidTag:
            message = "a stored secret cannot be opened: this server's secret is not the one that sealed it"
            raise Unavailable(message, code="secret_unreadable") from None

    async def _derived(self) -> bytes:
        if self._key is None:
            self._key = _derive(await asyncio.to_thread(self.secret))
        return self._key


def _derive(secret: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt=None, info=PURPOSE).derive(secret.encode())

"""The text of keys and tokens, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable

KEY_PREFIX = "ck_"
ADMIN_PREFIX = "ca_"
SECRET_BYTES = 32
SHOWN_FROM_LENGTH = 16
"""A shorter text is shown not even in part."""

Randomness = Callable[[int], bytes]
"""That many random bytes."""


def generate_key(randomness: Randomness = secrets.token_bytes) -> str:
    return KEY_PREFIX + _text(randomness)


def generate_admin_token(randomness: Randomness = secrets.token_bytes) -> str:
    return ADMIN_PREFIX + _text(randomness)


def digest(secret: str) -> str:
    """sha256 in hex. A fast hash is enough for 256 random bits, and looking a digest up tells nothing of the secret
    by its timing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def prefix(secret: str) -> str:
    return KEY_PREFIX if secret.startswith(KEY_PREFIX) else ""


def last4(secret: str) -> str:
    return secret[-4:] if len(secret) >= SHOWN_FROM_LENGTH else ""


def _text(randomness: Randomness) -> str:
    return urlsafe_b64encode(randomness(SECRET_BYTES)).rstrip(b"=").decode()

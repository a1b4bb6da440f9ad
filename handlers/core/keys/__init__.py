"""Who asks: the keys that are checked on every request, and the acts by which keys, projects and limits come and go."""

from handlers.core.keys.bootstrap import Bootstrap, FirstSecrets, bootstrap
from handlers.core.keys.ring import KeyRing, RingSettings
from handlers.core.keys.secrets import digest, generate_admin_token, generate_key
from handlers.core.keys.tenancy import IssuedKey, KeyDraft, Rates, Tenancy

__all__ = [
    "Bootstrap",
    "FirstSecrets",
    "IssuedKey",
    "KeyDraft",
    "KeyRing",
    "Rates",
    "RingSettings",
    "Tenancy",
    "bootstrap",
    "digest",
    "generate_admin_token",
    "generate_key",
]

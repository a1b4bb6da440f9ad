"""What a first start is given by the configuration, and what it shows for the only time."""

from __future__ import annotations

from handlers.core.keys import Bootstrap, FirstSecrets
from server.config import Settings


def given(settings: Settings) -> Bootstrap:
    token = settings.bootstrap_admin_token
    keys = tuple((project, key.get_secret_value()) for project, key in settings.bootstrap_pairs())
    return Bootstrap(keys, token.get_secret_value() if token else None)


def greeting(first: FirstSecrets) -> str:
    """For the operator's eyes, never for a log."""
    lines = [f"First start. Project {first.project!r} was made; this is shown once:"]
    lines += [f"  API key      {first.key}"] if first.key else []
    lines += [f"  admin token  {first.admin_token}"] if first.admin_token else []
    return "\n".join(lines)

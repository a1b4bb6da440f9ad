"""Secrets and personal data, taken out of what is kept."""

from handlers.core.capture.redaction.redact import Redacted, redact
from handlers.core.capture.redaction.rules import RULE_SETS

__all__ = ["RULE_SETS", "Redacted", "redact"]

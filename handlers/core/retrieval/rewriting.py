"""A question as what it looks for."""

from __future__ import annotations

import re

COURTESY = re.compile(
    r"^\s*(?:(?:hello|hi|hey|please|kindly|so|well)\b[\s,!.]*)*"
    r"(?:(?:can|could|would|will) you (?:please |kindly )?)?"
    r"(?:(?:tell|show|give|explain to|remind) (?:me|us)\b"
    r"|(?:i|we) (?:want|need|would like|'d like) to (?:know|find out|learn)\b"
    r"|(?:i|we)(?: am| are|'m|'re)? (?:wondering|looking for)\b|(?:do|does) (?:you|anyone|anybody) know\b"
    r"|(?:explain|describe|find|search for|look up|look for)\b)?"
    r"[\s,:]*(?:(?:about|if|whether)\b\s*)?",
    re.IGNORECASE,
)
THANKS = re.compile(r"[\s,]*(?:\b(?:please|thanks|thank you)\b[\s!.?]*)+$", re.IGNORECASE)


def rewrite(text: str) -> str:
    """Without what is said to whoever is asked: "Could you please tell me when it opens?" is "when it opens?". It is
    the text itself when nothing else is left."""
    return THANKS.sub("", COURTESY.sub("", text, count=1)).strip() or text

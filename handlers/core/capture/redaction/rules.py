"""What must not be kept, and how it is found.

Patterns are RE2's, which needs time in proportion to the text whatever the text is. A pattern finds what looks right,
`check` decides; where a pattern has a group, that is what is taken out. `\\x1e` parts texts that were put together:
no pattern may cross it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from handlers.core.capture.redaction import checksums

SECRETS, PERSONAL = "secrets", "personal_data"

GAP = r"[ .\x{a0}\x{2009}\x{202f}-]"
HIGH_ENTROPY_BITS = 4.2
TOKEN_ENTROPY_BITS = 3.0


@dataclass(frozen=True, slots=True)
class Rule:
    """`size` says of a match how many characters from its start are to be taken out; 0 is none, and then another match
    may begin within this one, unless it is of any length, which would take time by its square."""

    name: str
    kind: str
    pattern: str
    size: Callable[[str], int] = len
    is_bounded: bool = True


def entropy(text: str) -> float:
    """Bits a character, by how often each occurs."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def if_true(check: Callable[[str], bool]) -> Callable[[str], int]:
    return lambda text: len(text) if check(text) else 0


def is_token(text: str) -> bool:
    return any(character.isdigit() for character in text) and entropy(text) >= TOKEN_ENTROPY_BITS


def is_random(text: str) -> bool:
    """Mixed letters and digits without order; a path shows by parts that are words."""
    if any(len(part) > 2 and part.isalpha() and part.islower() for part in text.replace("-", "/").split("/")):
        return False
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(map(kind, text)) for kind in kinds) and entropy(text) >= HIGH_ENTROPY_BITS


def is_aws_secret(text: str) -> bool:
    return len(text) == 40 and is_random(text)


KNOWN_KEYS = "|".join(
    (
        r"sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, OpenRouter, DeepSeek
        r"(?:ck|ca)_[A-Za-z0-9_-]{16,}",  # our own
        r"(?:AKIA|ASIA|AROA|ABIA)[A-Z0-9]{16}",  # AWS
        r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",  # Google
        r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}",
        r"gl(?:pat|dt|rt|soat)-[A-Za-z0-9_-]{20,}",  # GitLab
        r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}",  # Slack
        r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe, standard webhooks
        r"hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}",
        r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
        r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|key-[a-f0-9]{32}|(?:AC|SK)[a-f0-9]{32}",  # mail, Twilio
        r"\d{8,10}:AA[A-Za-z0-9_-]{33}",  # Telegram
    )
)
ASSIGNED = (
    r"""(?i)(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token"""
    r"""|refresh[_-]?token|private[_-]?key|account[_-]?key)["']?[ \t]*(?:=>|:|=)[ \t]*["']?([^\s"',;\x1e]{6,})"""
)

RULES = (
    Rule(
        "private_key",
        SECRETS,
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
        r"[^\x1e]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\x1e|\z)",
        lambda text: len(text.removesuffix("\x1e")),
    ),
    Rule("jwt", SECRETS, r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"),
    Rule("api_key", SECRETS, rf"\b(?:{KNOWN_KEYS})"),
    Rule("url_password", SECRETS, r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:@/\x1e]*:([^\s@/\x1e]+)@"),
    Rule(
        "bearer_token",
        SECRETS,
        r"(?i)\b(?:bearer|basic|token)[ :=\"']{1,4}([a-z0-9+/_.~=-]{16,})",
        if_true(is_token),
        False,
    ),
    Rule("credential", SECRETS, ASSIGNED),
    Rule("high_entropy", SECRETS, r"[A-Za-z0-9+_=-]{32,}", if_true(is_random), False),
    Rule("high_entropy", SECRETS, r"[A-Za-z0-9/+]{40,}", if_true(is_aws_secret), False),
    Rule("email", PERSONAL, r"[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*)\.)+[\p{L}]{2,}"),
    Rule(
        "iban", PERSONAL, r"(?i)\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?", checksums.iban_length
    ),
    Rule(
        "card",
        PERSONAL,
        rf"\b(?:\d{{4}}{GAP}?\d{{4}}{GAP}?\d{{4}}{GAP}?\d{{1,4}}(?:{GAP}?\d{{1,3}})?|\d{{4}}{GAP}?\d{{6}}{GAP}?\d{{4,5}})\b",
        checksums.card_length,
    ),
    Rule("national_id.us", PERSONAL, r"\b\d{3}[- ]\d{2}[- ]\d{4}\b", if_true(checksums.is_us_ssn)),
    Rule(
        "national_id.gb",
        PERSONAL,
        r"(?i)\b[a-ceghj-prstw-z][a-ceghj-nprstw-z] ?\d{2} ?\d{2} ?\d{2} ?[a-d]\b",
    ),
    Rule("national_id.es", PERSONAL, r"(?i)\b[xyz\d]-?\d{7}[- ]?[a-z]\b", if_true(checksums.is_spanish_id)),
    Rule(
        "national_id.fr",
        PERSONAL,
        r"(?i)\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[ab]) ?\d{3} ?\d{3} ?\d{2}\b",
        if_true(checksums.is_french_id),
    ),
    Rule(
        "national_id.it",
        PERSONAL,
        r"(?i)\b[a-z]{6}\d{2}[a-ehlmprst]\d{2}[a-z]\d{3}[a-z]\b",
        if_true(checksums.is_italian_id),
    ),
    Rule("national_id.de", PERSONAL, r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b", if_true(checksums.is_german_id)),
    Rule("national_id.pl", PERSONAL, r"\b\d{11}\b", if_true(checksums.is_polish_id)),
    Rule("national_id.se", PERSONAL, r"\b(?:19|20)?\d{2}[01]\d[0-3]\d[-+]\d{4}\b", if_true(checksums.is_swedish_id)),
    Rule("national_id.be", PERSONAL, r"\b\d{2}\.?\d{2}\.?\d{2}[- ]?\d{3}\.?\d{2}\b", if_true(checksums.is_belgian_id)),
    Rule("national_id.ch", PERSONAL, r"\b756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}\b", if_true(checksums.is_swiss_id)),
    Rule(
        "national_id.nl",
        PERSONAL,
        r"(?i)\b(?:bsn|burgerservicenummer)[^\d\x1e]{0,12}(\d{9})\b",
        if_true(checksums.is_dutch_id),
    ),
    Rule("national_id.br", PERSONAL, r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", if_true(checksums.is_brazilian_id)),
    Rule(
        "national_id.in", PERSONAL, r"(?:\A|[^\w.-])([2-9]\d{3}[ -]?\d{4}[ -]?\d{4})\b", if_true(checksums.is_indian_id)
    ),
    Rule(
        "national_id.cn",
        PERSONAL,
        r"(?i)\b[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d\d{3}[\dx]\b",
        if_true(checksums.is_chinese_id),
    ),
    Rule("national_id.ca", PERSONAL, r"\b\d{3}[ -]\d{3}[ -]\d{3}\b", if_true(checksums.is_canadian_id)),
    Rule("phone", PERSONAL, r"(?:\+|\b00)[1-9](?:[ ()./\x{a0}-]{0,3}\d){6,14}\b", if_true(checksums.is_phone)),
    Rule("phone", PERSONAL, r"(?:\(\d{3}\) ?|\b(?:1[ .-])?\d{3}[ .-])\d{3}[ .-]\d{4}\b", if_true(checksums.is_phone)),
    Rule(
        "phone",
        PERSONAL,
        r"(?:\b0|\(0)\d{1,4}\)?[ /.-]{1,3}\d{2,4}(?:[ .-]?\d{2,4}){1,4}\b",
        if_true(checksums.is_phone),
    ),
    Rule("ipv6", PERSONAL, r"(?:\b[0-9A-Fa-f]{1,4}:|::)[0-9A-Fa-f:.]{1,50}", checksums.ipv6_length, False),
    Rule("ipv4", PERSONAL, r"\b\d{1,3}(?:\.\d{1,3}){3}\b", if_true(checksums.is_ipv4)),
)

RULE_SETS = {
    "default": frozenset({SECRETS, PERSONAL}),
    SECRETS: frozenset({SECRETS}),
    PERSONAL: frozenset({PERSONAL}),
}
"""What a policy's `redaction_rule_id` may name; None is `default`."""

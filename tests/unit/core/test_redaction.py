"""What must not be kept is taken out, whatever stands around it; what only looks like it stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.capture.redaction import redact
from handlers.core.capture.redaction.rules import RULES

SECRETS = {
    "private_key": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1\n-----END EC PRIVATE KEY-----",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "api_key": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "card": "5555 5555 5555 4444",
    "iban": "GB29 NWBK 6016 1331 9268 19",
    "email": "jo.doe+tag@mail.example.co.uk",
    "ipv4": "198.51.100.23",
    "ipv6": "2001:db8:85a3::8a2e:370:7334",
    "phone": "+49 (0)30 1234567",
    "national_id.us": "123-45-6789",
    "national_id.gb": "AB 12 34 56 C",
    "national_id.es": "12345678Z",
    "national_id.fr": "2 55 08 14 168 025 38",
    "national_id.it": "RSSMRA85T10A562S",
    "national_id.de": "86 095 742 719",
    "national_id.pl": "44051401359",
    "national_id.se": "811228-9874",
    "national_id.be": "85.07.30-033.28",
    "national_id.ch": "756.9217.0769.85",
    "national_id.br": "529.982.247-25",
    "national_id.in": "2341 2341 2346",
    "national_id.cn": "11010519491231002X",
    "national_id.ca": "046 454 286",
    "high_entropy": "x9Fq2LmZ8vTbR4kWc7NdYp1sHg6JaUe3Qo5iKzXwPyVt",
}
IN_CONTEXT = {
    "bearer_token": ("Authorization: Bearer ", "4f9a2b7c8d1e6f3a5b9c"),
    "credential": ('{"password": "', "correct-horse"),
    "url_password": ("postgres://app:", "tr0ub4dor"),
    "national_id.nl": ("BSN ", "111222333"),
}
HARMLESS = (
    "4111 1111 1111 1112 is no card, 123-00-6789 no person and DE00 3704 no account",
    "at 12:30:45 on 2026-11-20 std::vector and add::cafe took 1234567.89 or 3.14159",
    "see /usr/local/lib/python3.11/site-packages/some_package/Module2 and 123e4567-e89b-12d3-a456-426614174000",
    "the token based authentication, the basic configuration and the bearer of this letter",
)
around = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), max_size=40)


def one(text: str, rule_set: str = "default") -> tuple[str, set[str]]:
    (redacted,) = redact([text], rule_set)
    return redacted.text, set(redacted.counts)


def test_every_rule_is_tried() -> None:
    assert {rule.name for rule in RULES} == {*SECRETS, *IN_CONTEXT}


@pytest.mark.parametrize("rule", SECRETS)
def test_a_secret_is_replaced_by_its_rule_s_name(rule: str) -> None:
    assert one(f"it is {SECRETS[rule]}, keep it") == (f"it is [REDACTED:{rule}], keep it", {rule})


@pytest.mark.parametrize("rule", IN_CONTEXT)
def test_a_secret_is_known_by_what_stands_before_it(rule: str) -> None:
    before, secret = IN_CONTEXT[rule]
    text, rules = one(f"{before}{secret}@" if rule == "url_password" else f"{before}{secret}")
    assert secret not in text
    assert rule in rules


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert one(text) == (text, set())


@settings(max_examples=150, deadline=None)
@given(secrets=st.lists(st.sampled_from(sorted(SECRETS)), min_size=1, max_size=4), before=around, after=around)
def test_planted_secrets_never_come_through(secrets: list[str], before: str, after: str) -> None:
    planted = [SECRETS[rule] for rule in secrets]
    text, _ = one(" ".join([before, *planted, after]))
    assert [secret for secret in planted if secret in text] == []


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text(max_size=30), max_size=5))
def test_texts_stay_apart(texts: list[str]) -> None:
    """A secret in one does not reach into the next, nor does a separator of ours confuse them."""
    key = "-----BEGIN PRIVATE KEY-----"
    redacted = redact([*texts, f"a {key}", "plain", SECRETS["email"]], "default")
    assert [one.text for one in redacted[-3:]] == ["a [REDACTED:private_key]", "plain", "[REDACTED:email]"]
    assert len(redacted) == len(texts) + 3


def test_a_rule_set_takes_out_its_kind_alone() -> None:
    text = f"{SECRETS['api_key']} of {SECRETS['email']}"
    assert one(text, "secrets")[1] == {"api_key"}
    assert one(text, "personal_data")[1] == {"email"}


@pytest.mark.parametrize(
    "piece", ["1234 ", "a:", "::", "a@", "-----BEGIN PRIVATE KEY-----", "1.", "0 12", "aB3/", "+1"]
)
def test_time_goes_with_the_length(piece: str) -> None:
    """Of processor time, which a busy machine does not stretch."""

    def spent(size: int) -> float:
        """The least of three: the machine's other work spoils its caches."""
        times = []
        for _ in range(3):
            began = time.thread_time()
            redact([piece * (size // len(piece))], "default")
            times.append(time.thread_time() - began)
        return min(times)

    spent(1000)
    assert spent(160_000) < 12 * spent(40_000) + 0.1

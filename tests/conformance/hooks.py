"""What schemathesis is not to send: numbers beyond 64 bits, which fit into no database of ours and are refused."""

from __future__ import annotations

from typing import Any

import schemathesis

LARGEST = 2**63 - 1


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: Any) -> bool:
    return fits(query)


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    return fits(body)


def fits(value: Any) -> bool:
    if isinstance(value, dict):
        return all(fits(inner) for inner in value.values())
    if isinstance(value, list):
        return all(fits(inner) for inner in value)
    return not isinstance(value, int) or abs(value) <= LARGEST

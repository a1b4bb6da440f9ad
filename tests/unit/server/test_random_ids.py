from __future__ import annotations

import re
import subprocess
import sys

from server.random_ids import READ_AT_ONCE, random_id, timed_id


def test_no_id_comes_twice() -> None:
    ids = [random_id() for _ in range(5 * READ_AT_ONCE)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{24}", one) for one in ids)


def test_ids_of_a_later_moment_come_after_and_those_of_one_moment_differ() -> None:
    earlier, later = ([timed_id(at) for _ in range(100)] for at in (1_790_000_000.001, 1_790_000_000.002))
    assert max(earlier) < min(later)
    assert len(set(earlier)) == 100
    assert all(re.fullmatch(r"[0-9a-f]{24}", one) for one in earlier)


FORKING = """
import os
from server.random_ids import READ_AT_ONCE, random_id
random_id()
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(random_id() for _ in range(2 * READ_AT_ONCE)), flush=True)
"""


def test_forked_process_draws_its_own() -> None:
    ids = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True).stdout.split()
    assert len(ids) == len(set(ids)) == 4 * READ_AT_ONCE

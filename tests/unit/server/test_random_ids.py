from __future__ import annotations

import os
import re

from server.random_ids import READ_AT_ONCE, random_id


def test_no_id_comes_twice() -> None:
    ids = [random_id() for _ in range(5 * READ_AT_ONCE)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{24}", one) for one in ids)


def test_forked_process_draws_its_own() -> None:
    random_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(random_id() for _ in range(2 * READ_AT_ONCE)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    theirs = {text[at : at + 24] for at in range(0, len(text), 24)}
    assert len(theirs) == 2 * READ_AT_ONCE
    assert theirs.isdisjoint(random_id() for _ in range(2 * READ_AT_ONCE))

"""Jobs outlive the processes that do them, and do nothing twice that anybody could see."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handlers.core.jobs import Job
from server.worker import MAX_CRASHES
from tests.heavy.workers import Workers
from tests.journeys.waiting import eventually

pytestmark = pytest.mark.heavy

STEPS = 30
SECONDS = 0.1
TAKEN_OVER_SECONDS = 10.0
Enqueue = Callable[..., Job]


@pytest.fixture
def workers(database_settings: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    found = Workers(tmp_path / "data", database_settings)
    found.upgrade()
    yield found
    found.stop()
    assert '"level":"error"' not in found.log_text()


@pytest.fixture(scope="module")
def number() -> itertools.count[int]:
    return itertools.count()


@pytest.fixture
def counting(workers: Workers, tmp_path: Path, number: Iterator[int]) -> Enqueue:
    """Enqueues a job that counts."""
    workers.numbers = itertools.count(next(number) * 1000)

    def enqueue(steps: int = STEPS, seconds: float = SECONDS) -> Job:
        file = tmp_path / f"lines-{next(number)}"
        return workers.enqueue("count", {"steps": steps, "seconds": seconds, "file": str(file)})

    return enqueue


def lines(job: Job) -> list[tuple[int, int]]:
    """Number and process of every step that got to its end."""
    file = Path(job.input["file"])
    text = file.read_text() if file.exists() else ""
    return [(int(number), int(pid)) for number, pid in (line.split() for line in text.splitlines())]


def assert_whole(workers: Workers, job: Job, kills: int) -> None:
    """Everything was told once and in order, and at most the step at which a process was killed was done twice."""
    ended = workers.ended(job)
    steps = job.input["steps"]
    assert (ended.state, ended.result) == ("succeeded", list(range(steps)))
    assert [(event.sequence, event.data) for event in workers.events(job)] == [(n + 1, n) for n in range(steps)]
    numbers = [number for number, _ in lines(job)]
    assert numbers == sorted(numbers)
    assert steps <= len(numbers) <= steps + kills


def test_a_killed_worker_goes_on_where_it_was_when_it_is_started_again(workers: Workers, counting: Enqueue) -> None:
    job, kills = counting(), 3
    for kill in range(1, kills + 1):
        process = workers.start()
        eventually(lambda: len(lines(job)), lambda count, kill=kill: count >= kill * STEPS // (kills + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    workers.start()
    assert_whole(workers, job, kills)
    assert len({pid for _, pid in lines(job)}) == kills + 1


def test_another_worker_takes_over(workers: Workers, counting: Enqueue) -> None:
    """Also when nothing tells it that the first one is gone but the lease, as on another host."""
    pair = workers.start(), workers.start()
    jobs = [counting(STEPS * 3) for _ in range(6)]
    eventually(lambda: [len(lines(job)) for job in jobs], lambda counts: min(counts) >= 3)
    holders = [lines(job)[-1][1] for job in jobs]
    first, second = sorted(pair, key=lambda process: holders.count(process.pid), reverse=True)
    workers.freeze(first)  # it is there, and says nothing
    stopped_at = time.monotonic()
    its_own = [job for job in jobs if lines(job)[-1][1] == first.pid]
    assert its_own != []
    eventually(lambda: {lines(job)[-1][1] for job in its_own} == {second.pid})
    seconds = time.monotonic() - stopped_at
    print(f"\n{len(its_own)} of {len(jobs)} jobs taken over after {seconds:.1f} s")
    first.send_signal(signal.SIGKILL)
    for job in jobs:
        assert_whole(workers, job, 1)
    assert seconds < TAKEN_OVER_SECONDS


def test_one_that_wakes_again_does_not_get_in_the_way(workers: Workers, counting: Enqueue) -> None:
    first = workers.start()
    job = counting(STEPS * 3)
    eventually(lambda: len(lines(job)), lambda count: count >= 3)
    workers.freeze(first)
    second = workers.start()
    eventually(lambda: lines(job)[-1][1] == second.pid)
    first.send_signal(signal.SIGCONT)
    assert_whole(workers, job, 2)
    assert lines(job)[-1][1] == second.pid


def test_workers_that_do_not_know_a_job_leave_it_to_those_who_do(workers: Workers, counting: Enqueue) -> None:
    """Also when it was begun, and anybody may be the first to see that it is to go on."""
    others = [workers.start("server.cli", "worker") for _ in range(3)]
    first = workers.start()
    job = counting()
    eventually(lambda: len(lines(job)), lambda count: count >= 3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    workers.start()
    assert_whole(workers, job, 1)
    assert {pid for _, pid in lines(job)}.isdisjoint(process.pid for process in others)


def test_a_worker_that_is_stopped_hands_its_jobs_over(workers: Workers, counting: Enqueue) -> None:
    first = workers.start()
    job = counting()
    eventually(lambda: len(lines(job)), lambda count: count >= 3)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=30) == 0
    left = workers.get(job)
    assert (left.state, left.process_id, left.crashes) == ("running", None, 0)
    workers.start()
    assert_whole(workers, job, 0)


def test_a_job_that_kills_its_process_fails_in_the_end(workers: Workers, counting: Enqueue) -> None:
    job = workers.enqueue("die")
    for _ in range(MAX_CRASHES):
        assert workers.start().wait(timeout=60) == -signal.SIGKILL
    workers.start()
    ended = workers.ended(job)
    assert (ended.state, ended.error_code) == ("failed", "worker_died")


def test_many_jobs(workers: Workers, counting: Enqueue) -> None:
    for _ in range(2):
        workers.start()
    first = counting(steps=1, seconds=0.0)
    workers.ended(first)
    jobs = [counting(steps=1, seconds=0.0) for _ in range(200)]
    began = time.monotonic()
    for job in jobs:
        assert workers.ended(job).result == [0]
    print(f"\n{len(jobs) / (time.monotonic() - began):.0f} jobs a second at least")

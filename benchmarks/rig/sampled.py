"""The server under a sampler: `python -m benchmarks.rig.sampled serve`.

Between two signals USR1 the place in the code is noted each millisecond, and the processor time of the first thread
since the last note goes to it; then the file `samples-N.json` in the data directory has the seconds of each: the
innermost frame of ours, or of uvicorn's. What C code does counts for the Python frame that called it; what happens
outside all of them is the loop's.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from server import cli

INTERVAL_SECONDS = 0.001
ROOMS = ("/codegen/", "/handlers/", "/providers/", "/server/", "/storage/")
ROOT = str(Path(__file__).resolve().parent.parent.parent)
OURS = tuple(ROOT + room for room in ROOMS)
UVICORN = "/uvicorn/"


class Sampler:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0
        self._runs = False
        self._seen = 0.0
        self._seconds: Counter[str] = Counter()

    def toggle(self, *_: object) -> None:
        self._runs = not self._runs
        interval = INTERVAL_SECONDS if self._runs else 0.0
        self._seen = time.thread_time()
        signal.setitimer(signal.ITIMER_REAL, interval, interval)
        if not self._runs:
            (self._folder / f"samples-{self._written}.json").write_text(json.dumps(self._seconds))
            self._written += 1
            self._seconds.clear()

    def note(self, _: int, frame: FrameType | None) -> None:
        place, now = place_of(frame), time.thread_time()
        self._seconds[place] += now - self._seen  # type: ignore[assignment]
        self._seen = time.thread_time()


def place_of(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            return f"{name[len(ROOT) + 1 :]}:{frame.f_code.co_qualname}"
        if UVICORN in name:
            return f"uvicorn:{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "loop"


def main() -> None:
    sampler = Sampler(Path(os.environ["CONCORDAT_DATA_DIR"]))
    signal.signal(signal.SIGALRM, sampler.note)
    signal.signal(signal.SIGUSR1, sampler.toggle)
    cli.main()


if __name__ == "__main__":
    main()

"""`make bench`."""

from __future__ import annotations

from benchmarks import recording, retrieval, startup, throughput

startup.main()
print()
throughput.main()
print()
recording.main()
print()
retrieval.main()

"""`make bench`."""

from __future__ import annotations

from benchmarks import retrieval, startup, throughput

startup.main()
print()
throughput.main()
print()
retrieval.main()

"""`make bench`."""

from __future__ import annotations

from benchmarks import startup, throughput

startup.main()
print()
throughput.main()

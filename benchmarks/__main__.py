"""`make bench`."""

from __future__ import annotations

from benchmarks import recording, startup, throughput

startup.main()
print()
throughput.main()
print()
recording.main()

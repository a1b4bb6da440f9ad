"""The ledger of requests: many rows to a commit, and nobody is told before the commit.

ledger = Ledger(database, Presence(database))
await ledger.open()              # and `ledger.run()` in the server's TaskGroup
await ledger.start(record)       # before the first byte of a stream; `ledger.begin(record)` may come earlier
await ledger.finish(record)      # before its last event, or a whole body
await ledger.close()
"""

from storage.ledger.writer import Begun, Ledger, LedgerSettings

__all__ = ["Begun", "Ledger", "LedgerSettings"]

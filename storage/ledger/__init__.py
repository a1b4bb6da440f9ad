"""The ledger of requests: nobody is told of an answer's end before its row is safe.

ledger = storage.ledger.writer.Ledger(database, Presence(database))
await ledger.open()              # and `ledger.run()` in the server's TaskGroup
await ledger.start(record)       # before the first byte of a stream; `ledger.begin(record)` may come earlier
await ledger.finish(record)      # before its last event, or a whole body
await ledger.close()

On SQLite a row is safe in the process's `journal`, which another process `drain`s into the database; on Postgres when
it is committed (`grouped`). Nothing is imported here: the draining process needs little.
"""

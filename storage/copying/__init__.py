"""Whole databases as rows that mean the same everywhere: to back one up, to restore it, to move it from SQLite to
Postgres or back.

A `Snapshot` reads a database as it is at one moment, a `Load` fills an empty one in a transaction, and both speak of
rows in neutral values, in the order of their keys, so that two databases, or a database and an archive, are held
against each other row by row.
"""

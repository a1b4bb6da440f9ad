"""The schema's history.

`REVISIONS` repeats what alembic would find, so that a start on a current schema need not import it.
"""

REVISIONS = tuple(f"{number:04}" for number in range(1, 21))
HEAD = REVISIONS[-1]

"""The schema's history.

`REVISIONS` repeats what alembic would find, so that a start on a current schema need not import it.
"""

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0020",
    "0018",
)
HEAD = REVISIONS[-1]

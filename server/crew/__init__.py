"""Several server processes on one port: the parent that keeps them (`supervisor`), what one of them knows of it
(`part`), and how they hear of each other's metrics (`mates`)."""

OPTION = "--part"
"""By which the parent tells a process of its part, on the command line."""

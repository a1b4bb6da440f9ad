"""What storage raises; what is merely absent is answered with `None`.

StorageError
├── StorageUnavailable   the database or disk cannot be reached, is locked, or did not answer in time
├── StorageConflict      a unique name is taken, or a row refers to one that is not there
├── RowRefused           the database cannot hold this value (a number too large, a NUL in a text)
├── SchemaMismatch       the database's schema is older or newer than this version
├── CopyRefused          a backup is damaged, or what is to be copied does not fit where it is to go
└── UnsafeKey            a blob's key could leave its folder
"""

from __future__ import annotations


class StorageError(Exception):
    """The message is for the operator's log, not for a caller."""


class StorageUnavailable(StorageError):
    pass


class StorageConflict(StorageError):
    pass


class RowRefused(StorageError):
    pass


class SchemaMismatch(StorageError):
    pass


class CopyRefused(StorageError):
    pass


class UnsafeKey(StorageError):
    pass

"""Every error Parcode ORM raises, under one root.

    ParcodeError
    ├── FormatError              the bytes are no file that this version reads
    │   ├── NotAParcodeFile
    │   └── UnsupportedVersion
    ├── CorruptionError          bytes of a Parcode file are damaged: path, offset, expected, found
    │   ├── ChecksumError
    │   └── TruncatedError
    ├── SchemaError              types do not fit, or cannot be stored
    │   ├── UnsupportedTypeError     (also TypeError) when the class is defined
    │   ├── SchemaMismatchError      stored values do not fit the class as it is now
    │   │   └── MigrationRequired
    │   └── MigrationError       migrations are out of order, edited, missing, or do not fit the file
    ├── EncodeError              (also ValueError) a value does not fit its column
    │   └── CyclicGraphError
    ├── InputError               (also ValueError) a row of a file that is imported does not fit
    ├── DecodeError              user code failed while a stored value was being read
    ├── SessionError
    │   ├── ClosedError
    │   ├── ReadOnlyError
    │   │   └── DowngradeError       the class is not the newest that wrote the file
    │   ├── DetachedError        the session has let go of the object
    │   └── StreamConsumedError  a one-shot stream was read a second time
    ├── StorageError             (also OSError) the system refused an operation: path, errno
    │   ├── FileMissingError         (also FileNotFoundError)
    │   ├── AccessDeniedError        (also PermissionError)
    │   ├── NotAFileError            (also IsADirectoryError) a directory, or no regular file
    │   ├── FileReplacedError        a file elsewhere was replaced while it was read: open it again
    │   └── SyncError                waiting for the disk failed: its content is unknown
    ├── CompressionError         (also ValueError) a compression is not known, or registered twice
    ├── MissingExtraError        (also ImportError) an optional package is needed
    ├── LockedError              another session is writing: holder
    ├── ConflictError            another session committed first; nothing was written
    ├── IntegrityError           a key or a unique value would occur twice, or a reference leads to nothing
    │   └── DanglingError            (also EncodeError) a reference leads to an object that is not stored
    └── QueryError               position, in a text
        ├── PathError                a path spells no value of the file
        ├── NoResultFound            (also LookupError)
        │   └── CommitGone               the commit to go on from is no longer in the file
        └── MultipleResultsFound     (also LookupError)

`RenamedWarning` is a warning, a `UserWarning`, and no error.

None derives from `AttributeError`. While a proxy decodes a field, `getattr`, `hasattr` and Pydantic would take such an
error for "no such field", and the damage would go unnoticed.
"""

from __future__ import annotations

import re

__all__ = [
    "AccessDeniedError",
    "ChecksumError",
    "ClosedError",
    "CommitGone",
    "CompressionError",
    "ConflictError",
    "CorruptionError",
    "CyclicGraphError",
    "DanglingError",
    "DecodeError",
    "DetachedError",
    "DowngradeError",
    "EncodeError",
    "FileMissingError",
    "FileReplacedError",
    "FormatError",
    "InputError",
    "IntegrityError",
    "LockedError",
    "MigrationError",
    "MigrationRequired",
    "MissingExtraError",
    "MultipleResultsFound",
    "NoResultFound",
    "NotAFileError",
    "NotAParcodeFile",
    "ParcodeError",
    "PathError",
    "QueryError",
    "ReadOnlyError",
    "SchemaError",
    "SchemaMismatchError",
    "SessionError",
    "StorageError",
    "SyncError",
    "StreamConsumedError",
    "TruncatedError",
    "UnsupportedTypeError",
    "UnsupportedVersion",
]


def called(value: object) -> str:
    """The words for an argument of a wrong type in a message."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    return with_article(type(value).__qualname__)


_SPOKEN_AS_A_CONSONANT = re.compile(
    "eu|one(?![a-z])|uni(?!n|m)|us[aeu]|uti|ur[aio]", re.IGNORECASE
)  # "a User", "a Unit"


def with_article(name: str) -> str:
    """The name of a class behind `a` or `an`, as it is spoken."""
    vowel = name[0] in "aeiouAEIOU" and not _SPOKEN_AS_A_CONSONANT.match(name)
    return f"an {name}" if vowel else f"a {name}"


def told(value: object) -> str:
    """An argument as a message shows it: at most 80 characters, whatever its `repr` does."""
    try:
        text = repr(value)
    except Exception:
        return called(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class ParcodeError(Exception):
    """The root of every error raised by Parcode ORM."""

    # All attributes are keyword arguments with defaults, so every error pickles: a pool of processes
    # rebuilds an exception from `args`, and then restores `__dict__`.


class FormatError(ParcodeError):
    """The bytes cannot be read as a Parcode file by this version."""


class NotAParcodeFile(FormatError):
    """The file does not start as a Parcode file does."""


class UnsupportedVersion(FormatError):
    """The file was written by a version, or with a feature, that this one does not know."""


class CorruptionError(ParcodeError):
    """Bytes of a Parcode file are damaged.

    `path` is the file, a str ("" if unknown), and `offset` the place in it in bytes, an int. `expected` and `found` are
    the values that should stand there and that do. `offset`, `expected` and `found` may be None. `verify(path)` lists
    all damage of a file.
    """

    def __init__(
        self,
        message: str = "",
        *,
        path: str = "",
        offset: int | None = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        where = []
        if self.path:
            where.append(f"in {self.path}")
        if self.offset is not None:
            where.append(f"at offset {self.offset}")
        if self.expected is not None:
            where.append(f"expected {self.expected!r}")
        if self.found is not None:
            where.append(f"found {self.found!r}")
        message = super().__str__()
        return f"{message} ({', '.join(where)})" if where else message


class ChecksumError(CorruptionError):
    """Bytes do not fit their stored checksum."""


class TruncatedError(CorruptionError):
    """The file ends before its content does."""


class SchemaError(ParcodeError):
    """A type cannot be stored, or does not fit what is stored."""


class UnsupportedTypeError(SchemaError, TypeError):
    """The type of a field cannot be stored. It is raised when the class is defined."""


class SchemaMismatchError(SchemaError):
    """A stored value does not fit the class as it is now. Nothing is lost: the old definition reads it."""


class MigrationRequired(SchemaMismatchError):
    """The file holds an older shape of the model, and a migration must say how it becomes today's.

    The message names the operation.
    """


class MigrationError(SchemaError):
    """Migrations cannot be read, ordered or applied, or do not fit the file. The file is as it was.

    `migration` is the name of the migration, a str; "" if the error is not about one.
    """

    def __init__(self, message: str = "", *, migration: str = "") -> None:
        super().__init__(message)
        self.migration = migration


class EncodeError(ParcodeError, ValueError):
    """A value does not fit the column of its field.

    `model` is the name of the model, a str. `path` is the dotted path of the value below it, a str. The message
    shortens a long path. `value_type` is the type of the value, or None if the type says nothing.
    """

    def __init__(
        self,
        message: str = "",
        *,
        model: str = "",
        path: str = "",
        value_type: type | None = None,
    ) -> None:
        super().__init__(message)
        self.model = model
        self.path = path
        self.value_type = value_type

    def __str__(self) -> str:
        path = self.path
        if len(path) > 200:  # of a value that is nested very deeply
            path = f"{path[:100]}...{path[-80:]}"
        between = "." if self.model and path and not path.startswith("[") else ""
        place = f"{self.model}{between}{path}"
        message = super().__str__()
        if self.value_type is not None:
            message = f"{message} (a value of type {self.value_type.__qualname__})"
        return f"{place}: {message}" if place else message


class CyclicGraphError(EncodeError):
    """An object holds itself, directly or below. A file stores a tree: keep an identifier of the object instead."""


class InputError(ParcodeError, ValueError):
    """A file to import cannot be read, or one of its rows does not fit the class: nothing was stored."""


class DecodeError(ParcodeError):
    """A stored value cannot be built here: user code raised `AttributeError` (chained), or a time zone is unknown."""


class SessionError(ParcodeError):
    """The session cannot do this in its state: unsaved changes, another thread, an object of another session."""


class ClosedError(SessionError):
    """The session is closed; open the file again."""


class ReadOnlyError(SessionError):
    """The session, or the session of the object, only reads."""


class DowngradeError(ReadOnlyError):
    """The class is older than the newest that wrote the file, so rows would lose what only the newest one knows."""


class DetachedError(SessionError):
    """The session let go of the object in a rollback or refresh, so a change of it would be lost."""


class StreamConsumedError(SessionError, ValueError):
    """The iterator of a field was already read once."""


class StorageError(ParcodeError, OSError):
    """The operating system refused: the disk is full, or a file cannot be opened or written.

    It is made like an `OSError`: `StorageError(errno, message, path)`. `errno` is an int, `path` a str.
    """

    @property
    def path(self) -> str:
        """The path of the file, a str; "" if there is no file."""
        return str(self.filename or "")


class FileMissingError(StorageError, FileNotFoundError):
    """There is no file at this path."""


class AccessDeniedError(StorageError, PermissionError):
    """This process may not read or write the file, or its directory."""


class NotAFileError(StorageError, IsADirectoryError):
    """The path leads to a directory, or to something else that is no regular file."""


class FileReplacedError(StorageError):
    """Another file took the place of a file elsewhere while it was read, and its bytes do not fit: open it again."""


class SyncError(StorageError):
    """Waiting for the disk failed, so its content is unknown. The session takes nothing more: open the file again."""


class CompressionError(ParcodeError, ValueError):
    """The name or number of a compression is not known, or is already taken."""


class MissingExtraError(ParcodeError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class LockedError(ParcodeError):
    """Another session held the lock for as long as `lock_timeout` allows.

    `holder` is the id of its process, an int, or None if unknown.
    """

    def __init__(self, message: str = "", *, holder: int | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class ConflictError(ParcodeError):
    """Another session committed since this one read the file; nothing was written."""


class IntegrityError(ParcodeError):
    """A primary key or a unique index would have the same value twice, or a reference would lead to nothing."""


class DanglingError(IntegrityError, EncodeError):
    """A reference leads to an object that is not stored, and that the commit does not add."""


class RenamedWarning(UserWarning):
    """A statement asks a class of which the file has no entities, and the class seems to have been renamed.

    The file has entities of a class with the same fields, whose name no class of the program has.
    """


class QueryError(ParcodeError):
    """A query is wrong, or has another number of results than it must have.

    `position` is where the mistake begins in the text of a condition or path, an int from 0 on; None without a text.
    """

    def __init__(self, message: str = "", *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.position is None else f"{message} (column {self.position + 1})"


class PathError(QueryError):
    """A path such as `players["ann"].level` is no path, or the file has no value there."""


class NoResultFound(QueryError, LookupError):
    """There is no such root or commit, or a query must have one result and has none."""


class CommitGone(NoResultFound):
    """What changed since a commit cannot be told: a compaction dropped it, or the file was replaced by another one."""


class MultipleResultsFound(QueryError, LookupError):
    """A query may have one result at most, and has more."""


class FieldNotStored(ParcodeError):
    """A row lacks a field: `model_construct` can leave a field out.

    A getter raises it. A proxy turns it into the `AttributeError` that a plain model raises, so users never see it.
    """

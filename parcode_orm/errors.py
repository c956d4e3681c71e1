"""Every error Parcode ORM raises, under one root.

    ParcodeError
    ├── FormatError              the bytes are not a file this version reads
    │   ├── NotAParcodeFile
    │   └── UnsupportedVersion
    ├── CorruptionError          the bytes were ours once: path, offset, expected, found
    │   ├── ChecksumError
    │   └── TruncatedError
    ├── SchemaError              the types do not fit, or cannot be stored
    │   ├── UnsupportedTypeError     (also TypeError) when the class is defined
    │   ├── SchemaMismatchError
    │   └── MigrationRequired
    ├── EncodeError              (also ValueError) a value does not fit its column
    │   └── CyclicGraphError
    ├── DecodeError              user code failed while a stored value was being read
    ├── SessionError
    │   ├── ClosedError
    │   ├── ReadOnlyError
    │   ├── DetachedError        the session has let go of the object
    │   └── StreamConsumedError  a one-shot stream was read a second time
    ├── StorageError             (also OSError) the system refused: what, path, errno
    │   ├── FileMissingError         (also FileNotFoundError)
    │   ├── AccessDeniedError        (also PermissionError)
    │   ├── NotAFileError            (also IsADirectoryError) a directory, or no regular file
    │   └── SyncError                waiting for the disk failed: what it holds is not known
    ├── CompressionError         (also ValueError) a compression is not known, or registered twice
    ├── MissingExtraError        (also ImportError) an optional package is needed
    ├── LockedError              another process writes: holder
    ├── ConflictError            somebody committed in between; nothing was written
    ├── IntegrityError           a key or a unique index would stand twice
    └── QueryError
        ├── NoResultFound            (also LookupError)
        └── MultipleResultsFound     (also LookupError)

None derives from `AttributeError`: raised while a proxy decodes a field, it would read as "no such field" to
`getattr`, `hasattr` and Pydantic, and the damage would go unnoticed.
"""

from __future__ import annotations

__all__ = [
    "AccessDeniedError",
    "ChecksumError",
    "ClosedError",
    "CompressionError",
    "ConflictError",
    "CorruptionError",
    "CyclicGraphError",
    "DecodeError",
    "DetachedError",
    "EncodeError",
    "FileMissingError",
    "FormatError",
    "IntegrityError",
    "LockedError",
    "MigrationRequired",
    "MissingExtraError",
    "MultipleResultsFound",
    "NoResultFound",
    "NotAFileError",
    "NotAParcodeFile",
    "ParcodeError",
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
    """What a message calls an argument of a wrong type."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    name = type(value).__qualname__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


def told(value: object) -> str:
    """What a message shows of an argument: not more than 80 characters, whatever its `repr` does."""
    try:
        text = repr(value)
    except Exception:
        return called(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class ParcodeError(Exception):
    """The root of every error raised by Parcode ORM."""

    # Attributes are keyword arguments with defaults throughout, so that every error pickles (a pool of processes
    # rebuilds an exception from ``args`` and then restores ``__dict__``).


class FormatError(ParcodeError):
    """The bytes cannot be read as a Parcode file by this version."""


class NotAParcodeFile(FormatError):
    """The file does not start as a Parcode file does."""


class UnsupportedVersion(FormatError):
    """The file was written by a version, or with a feature, that this one does not know."""


class CorruptionError(ParcodeError):
    """Bytes that were once ours are damaged.

    `path` is the file ("" when it is not known), `offset` the position in it in bytes (an int), `expected` and `found`
    what should stand there and what does; each of these may be None. `verify(path)` lists all damage of a file.
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
    """The stored checksum does not fit the bytes."""


class TruncatedError(CorruptionError):
    """The file ends before what it promises."""


class SchemaError(ParcodeError):
    """A type cannot be stored, or does not fit what is stored."""


class UnsupportedTypeError(SchemaError, TypeError):
    """A field's type cannot be stored; raised when the class is defined."""


class SchemaMismatchError(SchemaError):
    """The file was written with another definition of the class, and nothing is lost: the class as it was reads it."""


class MigrationRequired(SchemaError):
    """The file holds an older shape of the model; a migration brings it up to date."""


class EncodeError(ParcodeError, ValueError):
    """A value does not fit the column of its field.

    `model` is the name of the model, `path` the dotted path of the value below it (the message shortens a long one):
    both are strings. `value_type` is the type of the value, None where that says nothing.
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
        if len(path) > 200:  # of what is nested very deeply
            path = f"{path[:100]}...{path[-80:]}"
        between = "." if self.model and path and not path.startswith("[") else ""
        place = f"{self.model}{between}{path}"
        message = super().__str__()
        if self.value_type is not None:
            message = f"{message} (a value of type {self.value_type.__qualname__})"
        return f"{place}: {message}" if place else message


class CyclicGraphError(EncodeError):
    """An object holds itself, directly or below; what is stored is a tree. Keep an identifier of the other instead."""


class DecodeError(ParcodeError):
    """A stored value cannot be built here: user code raised `AttributeError` (chained), or a time zone is unknown."""


class SessionError(ParcodeError):
    """The session cannot do this in its present state: unsaved changes, another thread, a foreign object."""


class ClosedError(SessionError):
    """The session is closed; open the file again."""


class ReadOnlyError(SessionError):
    """A change was tried in a session that was opened read-only."""


class DetachedError(SessionError):
    """The session has let go of the object, in a rollback or refresh, so a change to it would be lost."""


class StreamConsumedError(SessionError, ValueError):
    """A field was given an iterator, and that iterator has already been read once."""


class StorageError(ParcodeError, OSError):
    """The operating system refused: the disk is full, a file cannot be opened or written.

    Built as `OSError` is: `StorageError(errno, message, path)`. `errno` (an int) and `path` say what and where.
    """

    @property
    def path(self) -> str:
        """The path of the file, a str; "" where the bytes go elsewhere."""
        return str(self.filename or "")


class FileMissingError(StorageError, FileNotFoundError):
    """There is no file at this path."""


class AccessDeniedError(StorageError, PermissionError):
    """The file, or its directory, may not be read or written by this process."""


class NotAFileError(StorageError, IsADirectoryError):
    """The path leads to a directory, or to something else that is no regular file."""


class SyncError(StorageError):
    """Waiting for the disk failed, so what it holds is not known: the session takes nothing more. Open it again."""


class CompressionError(ParcodeError, ValueError):
    """A compression's name or number is not known, or is taken already."""


class MissingExtraError(ParcodeError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class LockedError(ParcodeError):
    """Another session held the lock for as long as `lock_timeout` allows.

    `holder` is the id of its process (an int), None when it is not known.
    """

    def __init__(self, message: str = "", *, holder: int | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class ConflictError(ParcodeError):
    """The session writes on a commit that is no longer the newest; nothing was written."""


class IntegrityError(ParcodeError):
    """A primary key or a unique index would hold the same value twice."""


class QueryError(ParcodeError):
    """A query is wrong, or its result is not what was asked for."""


class NoResultFound(QueryError, LookupError):
    """Exactly one result was asked for, and there is none."""


class MultipleResultsFound(QueryError, LookupError):
    """At most one result was asked for, and there are more."""


class FieldNotStored(ParcodeError):
    """Raised by a field's getter for a row that lacks the field, as `model_construct` can leave it out.

    A proxy turns it into the `AttributeError` that a plain model raises; users never see it.
    """

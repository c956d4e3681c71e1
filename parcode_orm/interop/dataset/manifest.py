"""The manifest of a dataset: which part files it has, and what is known of each without opening it.

    manifest.json
        {"parcode_dataset": 1, "sequence": 3, "model": "Player", "fingerprint": "...", "schema": {...},
         "partition_by": ["guild"], "shards": 0, "rows_per_file": 100000,
         "parts": [{"file": "part-....par", "rows": 100000, "bytes": 3565152, "shard": null,
                    "low": 0, "high": 99999, "values": {"guild": "red"}}, ...]}

A part is part of the dataset once the manifest names it. A commit writes the next manifest beside the old one, and
renames it over that under a lock: readers see all parts of a commit or none.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...errors import CorruptionError, FileMissingError, SchemaMismatchError, StorageError, UnsupportedVersion
from ...storage.files import storing

NAME = "manifest.json"
LOCK = "manifest.lock"
VERSION = 1


@dataclass(frozen=True)
class Part:
    """A part file of a dataset.

    Attributes:
        file: its name in the folder.
        rows: how many rows it has.
        bytes: its size.
        shard: the number of its shard, where keys are sharded by their hashes.
        low, high: the smallest and the largest key, as JSON has them; None where keys have no order, or there are none.
        values: the values of the columns that parts are separated by, as JSON has them.
    """

    file: str
    rows: int
    bytes: int
    shard: int | None = None
    low: Any = None
    high: Any = None
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What a dataset consists of at one moment.

    Attributes:
        model: the name of the class of the rows.
        fingerprint: that of the schema that all parts have.
        schema: the description of this schema.
        partition_by: the fields that separate the parts.
        shards: into how many shards keys are divided by their hashes; 0 for none.
        rows_per_file: how many rows a part has at most.
        parts: the parts, in the order of the rows.
        sequence: how many commits there were.
    """

    model: str
    fingerprint: str
    schema: Any
    partition_by: tuple[str, ...] = ()
    shards: int = 0
    rows_per_file: int = 0
    parts: tuple[Part, ...] = ()
    sequence: int = 0

    @property
    def rows(self) -> int:
        """How many rows the dataset has."""
        return sum(part.rows for part in self.parts)

    def check_fits(self, other: Manifest) -> None:
        """Refuse parts that were written for `other`, a manifest with another schema or another division.

        Raises:
            SchemaMismatchError: the schemas differ; the message lists the differences.
            StorageError: parts are separated by other fields, or sharded otherwise.
        """
        if self.fingerprint != other.fingerprint:
            from ...codec.schema import differences

            found = "; ".join(differences(self.schema, other.schema)) or "its definition differs"
            raise SchemaMismatchError(
                f"the dataset has rows of {self.model} as another definition of the class has them ({found}): write "
                "a new dataset from the rows of this one"
            )
        if (self.partition_by, self.shards) != (other.partition_by, other.shards):
            raise StorageError(
                errno.EINVAL,
                f"the dataset is partitioned by {list(self.partition_by)} in {self.shards} shards, and the rows were "
                f"written by {list(other.partition_by)} in {other.shards}: use the same division",
            )


def load(folder: str) -> Manifest:
    """The manifest in a folder.

    Raises:
        FileMissingError: there is none.
        UnsupportedVersion: a newer version wrote it.
        CorruptionError: it is damaged.
        StorageError: it cannot be read.
    """
    path = os.path.join(folder, NAME)
    if not os.path.exists(path):
        raise FileMissingError(
            errno.ENOENT, f"this folder is no dataset, as it has no {NAME}: Dataset.write makes one", folder
        )
    with storing("read", path), open(path, "rb") as file:
        text = file.read()
    try:
        found = json.loads(text)
        version = found.pop("parcode_dataset")
        if type(version) is int and version > VERSION:
            raise UnsupportedVersion(
                f"{path} has version {version} of the manifest, and this release knows {VERSION}: install a newer one"
            )
        parts = tuple(_checked(Part(**each)) for each in found.pop("parts"))
        return Manifest(**{**found, "partition_by": tuple(found["partition_by"])}, parts=parts)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise CorruptionError(f"the manifest of a dataset is damaged: {problem}", path=path) from problem


def _checked(part: Part) -> Part:
    """A part whose file lies in the folder."""
    if os.path.basename(part.file) != part.file or not part.file.startswith("part-"):
        raise ValueError(f"{part.file!r} is no name of a part")
    if type(part.rows) is not int or part.rows < 0:
        raise ValueError(f"{part.rows!r} is no number of rows")
    return part


def commit(
    folder: str,
    made: Manifest,
    parts: Sequence[Part],
    check: Callable[[Sequence[Part]], None],
    *,
    replaces: bool,
) -> Manifest:
    """Add parts to the dataset, or make them all that it has (`replaces`): all at once.

    Args:
        folder: where the dataset is.
        made: a manifest without parts, for what the parts were written.
        parts: the parts.
        check: is given the parts that stay, and raises where the others do not go with them.
        replaces: whether the parts that are there leave the manifest.

    Raises:
        SchemaMismatchError, StorageError: the parts do not fit the dataset.
        FileMissingError: one of their files is missing; nothing is committed.
    """
    for part in parts:
        check_there(folder, part)

    def next_one(now: Manifest | None) -> Manifest:
        if now is not None and not replaces:
            now.check_fits(made)
        check(() if now is None or replaces else now.parts)
        if now is None:
            return replace(made, parts=tuple(parts), sequence=1)
        if replaces:
            return replace(made, parts=tuple(parts), sequence=now.sequence + 1)
        return replace(now, parts=(*now.parts, *parts), sequence=now.sequence + 1)

    return _changed(folder, next_one)


def check_there(folder: str, part: Part) -> str:
    """The path of a part.

    Raises:
        FileMissingError: there is no such file.
    """
    path = os.path.join(folder, part.file)
    if not os.path.exists(path):
        raise FileMissingError(
            errno.ENOENT, f"a part of {part.rows:,} rows is missing: restore the file, or write the dataset anew", path
        )
    return path


def _changed(folder: str, change: Callable[[Manifest | None], Manifest]) -> Manifest:
    path = os.path.join(folder, NAME)
    with locked(folder):
        now = load(folder) if os.path.exists(path) else None
        found = change(now)
        beside = os.path.join(folder, f"manifest-{uuid.uuid4().hex}.tmp")
        body = json.dumps({"parcode_dataset": VERSION, **asdict(found)}, indent=1)
        with storing("write", beside), open(beside, "w", encoding="utf-8") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            os.replace(beside, path)
        sync_folder(folder)
    return found


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other processes from committing to a dataset meanwhile."""
    path = os.path.join(folder, LOCK)
    with storing("lock", path):
        file = open(path, "ab")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync_folder(folder: str) -> None:
    """Wait until the names of the files in a folder are on the disk."""
    with storing("sync", folder):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

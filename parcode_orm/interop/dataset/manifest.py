"""The manifest of a dataset: which part files it has, and what is known of each without opening it.

    manifest.json
        {"parcode_dataset": 1, "sequence": 3, "model": "Player", "fingerprint": "...", "schema": {...},
         "partition_by": ["guild"], "shards": 0, "rows_per_file": 100000,
         "parts": [{"file": "part-....par", "rows": 100000, "bytes": 3565152, "shard": null,
                    "low": 0, "high": 99999, "values": {"guild": "red"}}, ...]}

A part is part of the dataset once the newest manifest names it. A commit puts the next manifest in the place of that
one at once: readers see all parts of a commit or none. `places` says how.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...errors import CorruptionError, FileMissingError, SchemaMismatchError, StorageError, UnsupportedVersion
from ...storage.paths import Remote
from .places import Place

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


def load(place: Place) -> Manifest:
    """The manifest of a dataset.

    Raises:
        FileMissingError: there is none.
        UnsupportedVersion: a newer version wrote it.
        CorruptionError: it is damaged.
        StorageError: it cannot be read.
    """
    text = place.manifest()
    if text is None:
        raise FileMissingError(
            errno.ENOENT, "there is no dataset, as there is no manifest: Dataset.write makes one", place.path
        )
    return _parsed(text, place.path)


def _parsed(text: bytes, path: str) -> Manifest:
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
    place: Place,
    made: Manifest,
    parts: Sequence[Part],
    check: Callable[[Sequence[Part]], None],
    *,
    replaces: bool,
) -> Manifest:
    """Add parts to the dataset, or make them all that it has (`replaces`): all at once.

    Args:
        place: where the dataset is.
        made: a manifest without parts, for what the parts were written.
        parts: the parts.
        check: is given the parts that stay, and raises where the others do not go with them.
        replaces: whether the parts that are there leave the manifest.

    Raises:
        SchemaMismatchError, StorageError: the parts do not fit the dataset.
        FileMissingError: one of their files is missing; nothing is committed.
    """
    for part in parts:
        check_there(place, part)

    def next_one(now: Manifest | None) -> Manifest:
        if now is not None and not replaces:
            now.check_fits(made)
        check(() if now is None or replaces else now.parts)
        if now is None:
            return replace(made, parts=tuple(parts), sequence=1)
        if replaces:
            return replace(made, parts=tuple(parts), sequence=now.sequence + 1)
        return replace(now, parts=(*now.parts, *parts), sequence=now.sequence + 1)

    made_last: list[Manifest] = []

    def change(text: bytes | None) -> bytes:
        found = next_one(None if text is None else _parsed(text, place.path))
        made_last[:] = [found]
        return json.dumps({"parcode_dataset": VERSION, **asdict(found)}, indent=1).encode()

    place.change(change)
    return made_last[0]


def check_there(place: Place, part: Part) -> str | Remote:
    """What a session opens to read a part.

    Raises:
        FileMissingError: there is no such file.
    """
    found = place.part(part.file)
    if not place.has(part.file):
        raise FileMissingError(
            errno.ENOENT,
            f"a part of {part.rows:,} rows is missing: restore the file, or write the dataset anew",
            str(found),
        )
    return found

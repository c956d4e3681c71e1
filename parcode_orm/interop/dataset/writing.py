"""Writing parts: a stream of objects is divided by partition and shard into files, in bounded memory."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from ...codec.keys.canonical import key_hash
from ...errors import EncodeError, InputError, StorageError, called
from ...lazy.proxy import is_lazy, plain_class
from ...model.entity_names import is_entity
from ...session import Session
from ...session.entity.tables import keys_of
from ...tuning import TUNING
from .layout import as_json, list_class
from .manifest import Manifest, Part
from .places import Place

IN_MEMORY = 65_536  # objects that wait for their files in memory; more are spilled
FEW = TUNING.group_rows  # a session attaches so many objects at most; it streams more

Division = tuple[int | None, tuple[Any, ...]]  # the shard, and the values of the partition


def write_parts(place: Place, cls: Any, manifest: Manifest, objs: Iterable[Any]) -> list[Part]:
    """Write objects as parts that no manifest names yet.

    Memory holds 65,536 objects at most, besides what a commit of one file needs.

    Raises:
        InputError: one is of another class.
        IntegrityError: a key comes twice in one part; a commit compares those of several.
        EncodeError: a value does not fit its field, or stands for no value of a partition.
        StorageError: the disk is full, or the folder is missing.
    """
    writer = _Writer(place, cls, manifest)
    stream = _checked(cls, objs)
    try:
        if manifest.partition_by or manifest.shards:
            writer.divided(stream)
        else:
            while head := list(islice(stream, 1)):
                writer.part((None, ()), chain(head, islice(stream, manifest.rows_per_file - 1)))
    except BaseException:
        for part in writer.parts:
            place.remove(part.file)
        raise
    return writer.parts


def _checked(cls: Any, objs: Iterable[Any]) -> Iterator[Any]:
    """The objects, if all are of the class; lazy ones as plain copies, which no other session has."""
    for place, obj in enumerate(objs):
        if obj.__class__ is not cls and plain_class(obj.__class__) is not cls:
            raise InputError(f"row {place + 1} is {called(obj)}, and the dataset has rows of {cls.__qualname__}")
        yield obj.model_load() if is_lazy(obj) else obj


class _Bucket:
    """Objects that wait for one file: some in memory, those before them in a file of pickles."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.rows: list[Any] = []
        self.count = 0

    def spill(self) -> None:
        with open(self._path, "ab") as file:
            pickle.dump(self.rows, file, pickle.HIGHEST_PROTOCOL)
        self.rows = []

    def take(self) -> Iterator[Any]:
        """All objects, in their order; the bucket is empty afterwards."""
        if os.path.exists(self._path):
            with open(self._path, "rb") as file:
                while file.peek(1):
                    yield from pickle.load(file)
            os.unlink(self._path)
        rows, self.rows, self.count = self.rows, [], 0
        yield from rows


class _Writer:
    def __init__(self, place: Place, cls: Any, manifest: Manifest) -> None:
        self.parts: list[Part] = []
        self._at = place
        self._cls = cls
        self._manifest = manifest
        self._key_of: Callable[[Any], Any] | None = keys_of(cls).of if is_entity(cls) else None

    def divided(self, stream: Iterator[Any]) -> None:
        """Write objects to parts of one partition and shard each."""
        most = self._manifest.rows_per_file
        waiting = 0
        spilled = tempfile.mkdtemp(prefix="spill-", suffix=".tmp", dir=self._at.drafts())
        try:
            buckets: dict[Division, _Bucket] = {}
            for obj in stream:
                place = self._division(obj)
                bucket = buckets.get(place)
                if bucket is None:
                    bucket = buckets[place] = _Bucket(os.path.join(spilled, str(len(buckets))))
                bucket.rows.append(obj)
                bucket.count += 1
                waiting += 1
                if bucket.count == most:
                    waiting -= len(bucket.rows)
                    self.part(place, bucket.take())
                elif waiting >= IN_MEMORY:
                    largest = max(buckets.values(), key=lambda each: len(each.rows))
                    waiting -= len(largest.rows)
                    largest.spill()
            for place, bucket in buckets.items():
                if bucket.count:
                    self.part(place, bucket.take())
        finally:
            shutil.rmtree(spilled, ignore_errors=True)

    def _division(self, obj: Any) -> Division:
        manifest = self._manifest
        values = tuple([as_json(self._cls, name, getattr(obj, name)) for name in manifest.partition_by])
        try:
            hash(values)
        except TypeError:
            raise EncodeError(
                f"partition_by takes fields of numbers, texts, enums and dates: {manifest.partition_by} gives {values}"
            ) from None
        assert self._key_of is not None or not manifest.shards
        shard = key_hash(self._key_of(obj)) % manifest.shards if manifest.shards and self._key_of is not None else None
        return shard, values

    def part(self, place: Division, objs: Iterator[Any]) -> None:
        """Write one part. It has a temporary name until it is whole."""
        file = f"part-{uuid.uuid4().hex}.par"
        beside = os.path.join(self._at.drafts(), f"{file}.tmp")
        seen = _Seen(self._cls, self._key_of)
        try:
            with Session(beside) as session:
                if self._key_of is not None:
                    session.add_all(seen.of(_unattached(objs)))
                else:
                    session.add(list_class(self._cls)(rows=seen.of(_unattached(objs))))
                session.commit()
            size = os.path.getsize(beside)
            self._at.take(beside, file)
        except BaseException as problem:
            if os.path.exists(beside):
                os.unlink(beside)
            if isinstance(problem, OSError) and not isinstance(problem, StorageError):
                raise StorageError(problem.errno, f"cannot write: {problem.strerror}", beside) from problem
            raise
        shard, values = place
        named = dict(zip(self._manifest.partition_by, values, strict=True))
        self.parts.append(Part(file, seen.rows, size, shard, *seen.bounds(), named))


def _unattached(objs: Iterator[Any]) -> Iterator[Any]:
    """The objects; if they are few, copies, since a session would attach and so change the caller's objects."""
    head = list(islice(objs, FEW + 1))
    yield from (obj.model_load() for obj in head) if len(head) <= FEW else head
    yield from objs


class _Seen:
    """Counts objects that pass, and keeps their smallest and largest key."""

    def __init__(self, cls: Any, key_of: Callable[[Any], Any] | None) -> None:
        self.rows = 0
        self._cls = cls
        self._key_of = key_of
        self._low: Any = None
        self._high: Any = None
        self._is_ordered = key_of is not None and len(keys_of(cls).fields) == 1

    def of(self, objs: Iterator[Any]) -> Iterator[Any]:
        for obj in objs:
            self.rows += 1
            if self._is_ordered and self._key_of is not None:
                self._take(self._key_of(obj))
            yield obj

    def _take(self, key: Any) -> None:
        if type(key) not in (int, str) or (self._low is not None and type(key) is not type(self._low)):
            self._is_ordered = False
        elif self._low is None:
            self._low = self._high = key
        elif key < self._low:
            self._low = key
        elif key > self._high:
            self._high = key

    def bounds(self) -> tuple[Any, Any]:
        """The smallest and the largest key, where all are ints or all are texts."""
        return (self._low, self._high) if self._is_ordered else (None, None)

"""Datasets on Dask: a partition a part, read and written by the workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from .manifest import Part
from .parts import PartReader, needed, to_pandas
from .writer import DatasetWriter


def to_frame(reader: PartReader, parts: Sequence[Part], schema: Any) -> Any:
    """A `dask.dataframe.DataFrame` of some parts, of the columns of a schema of pyarrow.

    Dask hands over the columns that a program uses, and a worker reads these alone.

    Raises:
        MissingExtraError: dask is not installed.
    """
    (frames,) = needed(["dask.dataframe"], "dask", "to_dask()")
    meta = to_pandas(schema.empty_table())
    read = _ReadFrame(reader, schema.names)
    return frames.from_map(read, list(parts), meta=meta, label="read-parcode", enforce_metadata=False)


class _ReadFrame:
    """Gives the DataFrame of a part. Dask names its task by a token, since a class of the script itself has none."""

    def __init__(self, reader: PartReader, names: list[str]) -> None:
        self._reader = reader
        self._names = names
        self._token = uuid4().hex

    def __dask_tokenize__(self) -> str:
        return self._token

    def __call__(self, part: Part, columns: Sequence[str] | None = None) -> Any:
        return self._reader.frame(part, self._names if columns is None else list(columns))


def to_bag(reader: PartReader, parts: Sequence[Part]) -> Any:
    """A `dask.bag.Bag` of the objects of some parts.

    Raises:
        MissingExtraError: dask is not installed.
    """
    (bags,) = needed(["dask.bag"], "dask", "to_dask_bag()")
    return bags.from_sequence(list(parts), partition_size=1).map_partitions(_objects, reader)


def _objects(parts: Iterable[Part], reader: PartReader) -> Iterator[Any]:
    for part in parts:
        yield from reader.objects(part)


def write_bag(bag: Any, writer: DatasetWriter) -> None:
    """Write the objects of a bag: each worker writes parts of its partitions, and one commit shows all of them.

    Args:
        bag: a `dask.bag.Bag` of objects of the class of the writer.
        writer: `DatasetWriter(path, model)`, or `Dataset.writer()` to append.

    Raises:
        InputError, IntegrityError, EncodeError, StorageError: by a worker, as `Dataset.write`; nothing is committed.
        SchemaMismatchError, StorageError: the parts do not fit the dataset.
    """
    writer.commit([bag.map_partitions(writer.write).compute()])

"""`Dataset`: the rows of many part files as one sequence, with lookups by key and statements over all parts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Generic, TypeVar, overload

from ...codec.entity_keys import key_value
from ...errors import ClosedError, QueryError, StorageError
from ...lazy.arrow import ArrowStream
from ...lazy.proxy import plain_class
from ...model.entity_names import is_entity
from ...query.expressions.nodes import Item
from ...query.running.plan import Plan, explain
from ...query.running.result import Result, ScalarResult
from ...query.running.update_delete import Delete, Update
from ...query.statements.statement import Select, checked
from ...query.statements.statement import select as selecting
from ...session import Session
from ...session.entity.tables import keys_of
from ...storage.paths import AnyPath
from . import manifest as manifests
from .layout import checked_model, open_part
from .manifest import Manifest, Part
from .parts import PartReader
from .places import place_of
from .rows import Parts, may_have, over, rows_of
from .writer import ROWS_PER_FILE, DatasetWriter

M = TypeVar("M")
N = TypeVar("N")
OPEN = 32  # parts that stay open; more are opened again when they are asked for
STALE = 3600.0  # seconds after which a file that no manifest names is no part that is being written


class Dataset(ArrowStream, Sequence[M], Generic[M]):
    """Part files in a folder, or under a prefix in an object store, read as one lazy sequence.

    `parcode_orm.dataset(path, Player)` opens one.

    It sees the parts that the manifest names when it is opened; `refresh` goes on to the newest. Objects are lazy, as
    those of a read-only session, and read on after `close`. Where the class has a `Key`, `get` finds an object by it,
    and a commit refuses a key that another part has.

    Attributes:
        path: the folder, or the URL of the prefix, a str.
        model: the class of the rows.
        manifest: what is known of the parts.

    Raises:
        FileMissingError: there is no dataset; by reads: a part is missing.
        UnsupportedVersion, CorruptionError: the manifest is of a newer version, or damaged.
        SchemaMismatchError: by reads: a part has another schema than the dataset; or, as for a single file, a
            migration must say how rows are read as objects of the class.
        ClosedError: by reads: the dataset was closed.
    """

    def __init__(self, path: AnyPath, model: type[M] | None = None) -> None:
        self._place = place_of(path)
        self.path = self._place.path
        self.manifest: Manifest = manifests.load(self._place)
        self.model: Any = self._stored_model() if model is None else checked_model(model)
        self._sessions: OrderedDict[str, Session] | None = OrderedDict()

    @staticmethod
    def write(
        path: AnyPath,
        models: Iterable[N],
        model: type[N] | None = None,
        *,
        partition_by: str | Sequence[str] = (),
        shards: int = 0,
        rows_per_file: int = ROWS_PER_FILE,
        replace: bool = False,
    ) -> Dataset[N]:
        """Write objects as a new dataset, whose parts become visible together.

        Args:
            path: the folder, which is made; or a URL or a `Remote` of a prefix elsewhere.
            models: the objects, of one class; a stream is read as it is written, in bounded memory.
            model: their class; without it, that of the first object.
            partition_by: a field, or several, of whose values each part has one. Conditions on them choose parts.
            shards: how many shards keys are divided into by their hashes, so that `get` opens one file. Without
                shards, parts are written in the order of the objects, and `get` opens those whose keys lie around.
            rows_per_file: how many rows a part has at most.
            replace: whether the parts of a dataset that is there leave the manifest. `clean` removes their files.

        Raises:
            StorageError: there is a dataset, and `replace` is false; the disk is full.
            InputError: an object is of another class; or there is none, and no `model`.
            UnsupportedTypeError: the class has no such field to partition by, or no key to shard by.
            IntegrityError, EncodeError: as a commit of a session.
            ValueError: a number is out of range.
        """
        place = place_of(path)
        if not replace and place.manifest() is not None:
            raise StorageError(
                17, "there is a dataset: append() to it, give another folder, or pass replace=True", place.path
            )
        stream = iter(models)
        if model is None:
            first = next(stream, None)
            if first is None:
                raise QueryError("there are no rows to tell the class of a dataset: give it, write(path, [], Player)")
            model, stream = plain_class(first.__class__), chain([first], stream)
        writer = DatasetWriter(
            path, model, partition_by=partition_by, shards=shards, rows_per_file=rows_per_file, replace=replace
        )
        writer.write_all(stream)
        return Dataset(path, model)

    def append(self, models: Iterable[M]) -> None:
        """Add rows in parts of their own, all at once.

        Args:
            models: the objects; a stream is read as it is written.

        Raises:
            SchemaMismatchError: the class is not as the dataset has it.
            InputError, IntegrityError, EncodeError, StorageError: as `write`.
        """
        self.writer().write_all(models)
        self.refresh()

    def writer(self) -> DatasetWriter:
        """What other processes append rows with: each writes, and one commits.

        Raises:
            SchemaMismatchError: the class is not as the dataset has it.
        """
        now = self.manifest
        made = DatasetWriter(
            self._place.given,
            self.model,
            partition_by=now.partition_by,
            shards=now.shards,
            rows_per_file=now.rows_per_file,
        )
        now.check_fits(made.manifest)
        return made

    def refresh(self) -> None:
        """Go on to the parts that the newest manifest names."""
        self.manifest = manifests.load(self._place)

    def clean(self, older_than: float = STALE) -> list[str]:
        """Remove files of parts that no manifest names: what killed writers left, and parts that were replaced.

        Args:
            older_than: seconds; younger files may be parts that a worker is writing, and stay.

        Returns:
            The names of the files and folders removed.
        """
        return self._place.clean(lambda: {part.file for part in manifests.load(self._place).parts}, older_than)

    # -- reading -------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.manifest.rows

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self._between(start, stop)
            return [self[place] for place in range(start, stop, step)]
        place = index + len(self) if index < 0 else index
        found = self._between(place, place + 1) if 0 <= place < len(self) else []
        if not found:
            raise IndexError(f"dataset index out of range: {index} of {len(self)} rows")
        return found[0]

    def _between(self, start: int, stop: int) -> list[M]:
        found: list[M] = []
        ends = accumulate(part.rows for part in self.manifest.parts)
        for part, end in zip(self.manifest.parts, ends, strict=True):
            first = end - part.rows
            low, high = max(start, first), min(stop, end)
            if low < high:
                session = self.opened(part)
                statement = rows_of(session, self.model).offset(low - first).limit(high - low)
                found += session.scalars(statement).all()
        return found

    def __iter__(self) -> Iterator[M]:
        return iter(self._result())

    def get(self, key: Any) -> M | None:
        """The object with a key, or None. With shards, one file is opened; else those around whose keys it lies.

        Raises:
            TypeError: the class has no `Key`; no key of it has the type of `key`.
        """
        if not is_entity(self.model):
            raise TypeError(f"{self.model.__qualname__} has no Key(): find rows by a condition, scalars(select(...))")
        if keys_of(self.model).refer:
            key = tuple(map(key_value, key)) if isinstance(key, tuple) else key_value(key)
        for part in self.manifest.parts:
            if may_have(part, self.manifest, key):
                found: M | None = self.opened(part).get(self.model, key)
                if found is not None:
                    return found
        return None

    # -- statements ----------------------------------------------------------------------------------------------------

    def select(self, *outputs: Any) -> Select[Any]:
        """A statement over the rows: the objects, or the expressions `outputs` of them.

        A class with a `Key` needs no such method: `dataset.scalars(select(Player))` takes what a session takes.
        """
        if not outputs:
            return Select(self._parts(), (Item(self.model),))
        made: Select[Any] = selecting(*outputs)
        return made._with(_source=self._parts())

    def scalars(self, statement: Select[Any]) -> ScalarResult[Any]:
        """The rows that a statement selects of all parts, or the first value of each, as `Session.scalars`.

        Conditions on fields of partitions choose parts, and other conditions use the indexes of each part. One engine
        takes the rows of all parts, so groups, orders and limits are of the whole dataset.

        Raises:
            TypeError: `statement` is none.
            QueryError: it asks another class. ClosedError: by the methods of the result.
        """
        return ScalarResult(self._bound(checked(statement, "scalars")), self._check)

    def scalar(self, statement: Select[Any]) -> Any:
        """The first value of the first row of a statement; None where there is no row."""
        return self.scalars(statement).first()

    def execute(self, statement: Select[Any]) -> Result[Any]:
        """The rows that a statement selects, as named tuples, as `Session.execute` gives them.

        Raises:
            TypeError, QueryError: as `scalars`. QueryError: an `update` or a `delete`, as parts never change.
        """
        if isinstance(statement, Update | Delete):
            raise QueryError(
                "the parts of a dataset never change: append() adds rows, and write(path, rows, replace=True) replaces "
                "all of them"
            )
        return Result(self._bound(checked(statement, "select")), self._check)

    def explain(self, statement: Select[Any]) -> Plan:
        """What a statement will do in the parts that it looks into, as `Session.explain`. No value is read.

        Raises:
            TypeError, QueryError: as `scalars`.
        """
        self._check()
        return explain(self._bound(checked(statement, "explain")))

    def parts(self, *where: Any) -> list[Part]:
        """The parts that can have rows which fulfil conditions, by their keys and the values of their partitions.

        Args:
            where: the conditions, on fields of the rows.
        """
        return self._parts().where(self.select().where(*where)._where).pruned

    def arrow(self, columns: Sequence[str] | None = None, *, dictionaries: bool = False) -> Any:
        """The rows of all parts as one `pyarrow.RecordBatchReader`, as `LazyList.arrow`.

        Args:
            columns: the names of the columns that are read, in order; all without it.
            dictionaries: whether texts of few kinds come as dictionaries, as they are stored.
        """
        return self._result().arrow(columns, dictionaries=dictionaries)

    def arrow_dataset(self) -> Any:
        """The rows of all parts as a `pyarrow.dataset.Dataset`, as `LazyList.arrow_dataset`."""
        return self._result().arrow_dataset()

    # -- clusters ------------------------------------------------------------------------------------------------------

    def to_dask(self, columns: Sequence[str] | None = None, *where: Any) -> Any:
        """A `dask.dataframe.DataFrame` with a partition for each part, whose types are those of Arrow.

        A worker reads the columns that a program uses, of rows that fulfil the conditions. Members of enums are texts.

        Args:
            columns: the names of the columns; all without it.
            where: conditions on fields of the rows. Parts that cannot have such rows make no partition.

        Raises:
            MissingExtraError: dask or pyarrow is not installed.
            QueryError: there is no such column.
        """
        from .on_dask import to_frame

        return to_frame(self._reader(where), self.parts(*where), self.arrow(columns).schema)

    def to_dask_bag(self, *where: Any) -> Any:
        """A `dask.bag.Bag` of the objects, with a partition for each part.

        Args:
            where: as for `to_dask`.

        Raises:
            MissingExtraError: dask is not installed.
        """
        from .on_dask import to_bag

        return to_bag(self._reader(where), self.parts(*where))

    def to_ray(self, columns: Sequence[str] | None = None, *where: Any) -> Any:
        """A `ray.data.Dataset` of the rows, with a read task for each part.

        `from_arrow(table, Player)` makes objects of a batch in a worker.

        Args:
            columns: the names of the columns that are read; all without it.
            where: as for `to_dask`.

        Raises:
            MissingExtraError: ray or pyarrow is not installed.
        """
        from .on_ray import datasource, read

        return read(datasource(self._reader(where), self.parts(*where), columns))

    def _reader(self, where: Sequence[Any]) -> PartReader:
        return PartReader.of(self._place, self.model, self.manifest, where)

    def _result(self) -> ScalarResult[M]:
        return ScalarResult(self.select(), self._check)

    def _parts(self) -> Parts:
        return Parts(self.model, self.manifest, self.opened)

    def _bound(self, statement: Select[Any]) -> Select[Any]:
        return over(statement, self._parts())

    # -- sessions ------------------------------------------------------------------------------------------------------

    def opened(self, part: Part) -> Session:
        """The session that reads a part."""
        sessions = self._check()
        session = sessions.pop(part.file, None)
        if session is None:
            session = open_part(self._place, part, self.model, self.manifest)
        sessions[part.file] = session
        if len(sessions) > OPEN:
            sessions.popitem(last=False)  # it is not closed: objects of it may be in use
        return session

    def _check(self) -> OrderedDict[str, Session]:
        if self._sessions is None:
            raise ClosedError(f"the dataset {self.path} was closed: open it again")
        return self._sessions

    def close(self) -> None:
        """Close the parts. Objects that the program holds read on."""
        sessions, self._sessions = self._sessions, None
        for session in (sessions or {}).values():
            session.close()

    def __enter__(self) -> Dataset[M]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _stored_model(self) -> Any:
        """The class, made of the schema of the first part."""
        if not self.manifest.parts:
            raise QueryError(f"{self.path} has no parts to make a class of: give it, dataset(path, Player)")
        path: Any = manifests.check_there(self._place, self.manifest.parts[0])
        with Session.open(path) as session:
            models = session.models()
            if self.manifest.model in models:
                return models[self.manifest.model]
            rows: Any = models[f"{self.manifest.model}Rows"]
            return rows.model_fields["rows"].annotation.__args__[0]

    def __reduce__(self) -> Any:
        return Dataset, (self._place.given, self.model)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self):,} {self.model.__name__} in {len(self.manifest.parts)} parts, {self.path}>"

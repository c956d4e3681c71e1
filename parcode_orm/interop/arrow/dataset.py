"""`ArrowDataset`: rows as a `pyarrow.dataset.Dataset`, which is asked for the columns and the rows that a query needs.

DuckDB hands the columns and conditions of a query to such datasets alone: of any other object with Arrow's interface it
takes all columns. Batches come from the calling thread. A scanner of pyarrow's own would read ahead in threads, and
those crash an interpreter that ends before they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from ...errors import QueryError, told
from ...stack import for_who_waits
from ..formats import pyarrow
from .reading import columns_of

pa: Any = pyarrow()  # who lacks it is told what to install
datasets: Any = import_module("pyarrow.dataset")
files: Any = import_module("pyarrow.fs")

# The path of the only file, which does not exist: what goes past the methods below fails, and finds no rows missing.
UNREAD = "rows of parcode_orm, which to_table(), to_batches(), head(), take(), count_rows() and scanner() read"


class ArrowDataset(datasets.UnionDataset):  # type: ignore[misc]  # pyarrow has no types
    """Rows of a lazy collection, a result or a dataset. Each scan reads them as they are then."""

    def __init__(self, rows: Any, condition: Any = None) -> None:
        found, _ = columns_of(rows, dictionaries=True)
        names = found.schema.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise QueryError(f"two columns are called {told(twice)}: give one another name by .label()")
        kind, here = datasets.IpcFileFormat(), files.LocalFileSystem()
        unread = kind.make_fragment(UNREAD, filesystem=here)
        super().__init__(found.schema, [datasets.FileSystemDataset([unread], found.schema, kind, here)])
        self._rows = rows
        self._columns = found
        self._condition = condition

    def filter(self, expression: Any) -> ArrowDataset:
        """The rows that fulfil a condition of pyarrow as well."""
        return ArrowDataset(self._rows, self._both(expression))

    def _both(self, expression: Any) -> Any:
        if self._condition is None or expression is None:
            return self._condition if expression is None else expression
        return self._condition & expression

    def count_rows(self, filter: Any = None, **options: Any) -> int:
        """How many rows there are, or fulfil a condition."""
        return self.scanner([], filter).count_rows()

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> ArrowScan:
        """A reader of columns of the rows that fulfil a condition.

        Args:
            columns: the names of the columns, or expressions of pyarrow by name; all without it.
            filter: a condition of pyarrow.
            options: what pyarrow's own scanners take besides; it changes nothing.

        Raises:
            QueryError: there is no such column.
        """
        return ArrowScan(self, columns, self._both(filter))

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows as the Arrow PyCapsule interface has them: not all that takes it knows datasets."""
        return self.scanner().to_reader().__arrow_c_stream__(requested_schema)

    def __reduce__(self) -> Any:
        raise TypeError("a dataset of rows is not pickled: open the file where it is needed, and take .arrow_dataset()")


class ArrowScan:
    """What `ArrowDataset.scanner` gives. It has the methods of a `pyarrow.dataset.Scanner` that give rows."""

    def __init__(self, of: ArrowDataset, columns: Any, condition: Any) -> None:
        self._of = of
        self._condition = condition
        self._columns = of.schema.names if columns is None else columns if isinstance(columns, dict) else list(columns)
        missing = [each for each in self._columns if each not in of.schema.names]
        if missing and not isinstance(columns, dict):
            raise QueryError(f"there is no column {told(missing[0])}: there are {', '.join(of.schema.names)}")

    @property
    def dataset_schema(self) -> Any:
        """The schema of all columns."""
        return self._of.schema

    @property
    def projected_schema(self) -> Any:
        """The schema of the columns that are asked for."""
        if isinstance(self._columns, dict):
            return self._projected(self._of.schema.empty_table()).schema
        return self._of._columns.only(self._columns).schema

    def _projected(self, table: Any) -> Any:
        return datasets.dataset(table).to_table(columns=self._columns, filter=self._condition, use_threads=False)

    def _needed(self) -> Sequence[str]:
        """The names of columns that are asked for, or that stand in expressions; the first where there are none."""
        names: list[str] = self._of.schema.names
        expressions = list(self._columns.values()) if isinstance(self._columns, dict) else []
        text = "\n".join(str(each) for each in [*expressions, self._condition] if each is not None)
        if "FieldPath" in text:  # a field by its number
            return names
        plain = [] if isinstance(self._columns, dict) else self._columns
        named = [name for name in names if name not in plain and name in text]
        return list(dict.fromkeys([*plain, *named])) or names[:1]

    def to_reader(self) -> Any:
        """The rows as a `pyarrow.RecordBatchReader`."""
        needed = self._needed()
        with for_who_waits():  # DuckDB calls this in a thread of its own
            reader = self._of._columns.only(needed).reader(self._of._rows, joined=True)
        if self._condition is None and needed == self._columns:
            return reader
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._chosen(reader))

    def _chosen(self, batches: Any) -> Iterator[Any]:
        for batch in batches:
            if self._condition is None and not isinstance(self._columns, dict):
                yield batch.select(self._columns)
            else:
                yield from self._projected(pa.Table.from_batches([batch])).to_batches()

    def to_batches(self) -> Iterator[Any]:
        """The rows as record batches."""
        return iter(self.to_reader())

    def to_table(self) -> Any:
        """The rows as a `pyarrow.Table`."""
        return self.to_reader().read_all()

    def head(self, num_rows: int) -> Any:
        """The first rows as a `pyarrow.Table`."""
        found, left = [], num_rows
        for batch in self.to_reader():
            if left <= 0:
                break
            found.append(batch.slice(0, left))
            left -= batch.num_rows
        return pa.Table.from_batches(found, self.projected_schema)

    def take(self, indices: Any) -> Any:
        """The rows with some numbers as a `pyarrow.Table`."""
        return self.to_table().take(indices)

    def count_rows(self) -> int:
        """How many rows there are."""
        return sum(batch.num_rows for batch in self.to_reader())

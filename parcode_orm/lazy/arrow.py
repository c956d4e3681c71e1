"""`ArrowStream`: what gives its rows to libraries that read Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ..stack import for_who_waits


class ArrowStream:
    """Rows that pyarrow, Polars, DuckDB and pandas take as they are: `polars.DataFrame(players)`."""

    __slots__ = ()

    def arrow(self, columns: Sequence[str] | None = None, *, dictionaries: bool = False) -> Any:
        """The rows as a `pyarrow.RecordBatchReader`: a stream, which reads as it goes, and once.

        Args:
            columns: the names of the columns that are read, in order; all without it.
            dictionaries: whether texts of few kinds come as dictionaries, as they are stored, if the first rows have
                such. DuckDB groups by them several times as fast. Polars and pandas make categories of them.

        Raises:
            MissingExtraError: pyarrow is not installed.
            QueryError: there is no such column.
            TypeError: `columns` is a text.
            EncodeError: while reading: a value does not fit the type of its column.
        """
        # By name, since the floor above this one reads it: what does not use Arrow never loads that.
        return import_module("parcode_orm.interop.arrow.reading").reader_of(self, columns, dictionaries=dictionaries)

    def arrow_dataset(self) -> Any:
        """The rows as a `pyarrow.dataset.Dataset`, which can be asked again and again.

        DuckDB hands it the columns and the conditions of a query, so that other columns are not read; so does
        `polars.scan_pyarrow_dataset`. Each query reads the rows as they are then. Texts of few kinds come as
        dictionaries.

        Raises:
            MissingExtraError: pyarrow is not installed.
            QueryError: two columns have one name.
        """
        return import_module("parcode_orm.interop.arrow.dataset").ArrowDataset(self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows as the Arrow PyCapsule interface has them.

        DuckDB calls this in a thread of its own, while the one that asked waits.
        """
        with for_who_waits():
            return self.arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """The types of the columns, as the Arrow PyCapsule interface has them."""
        return self.arrow().schema.__arrow_c_schema__()

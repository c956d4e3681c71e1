"""Reading parts in other processes: what a worker needs for a part, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from ...errors import MissingExtraError
from ...query.running.result import ScalarResult
from .layout import open_part
from .manifest import Manifest, Part
from .places import Place
from .rows import rows_of


@dataclass(frozen=True)
class PartReader:
    """Reads parts of a dataset, in any process: it can be pickled.

    Attributes:
        place: where the dataset lies.
        model: the class of the rows.
        manifest: what all parts have in common; it names no parts.
        where: conditions that rows fulfil.
    """

    place: Place
    model: Any
    manifest: Manifest
    where: tuple[Any, ...] = ()

    @classmethod
    def of(cls, place: Place, model: Any, manifest: Manifest, where: Sequence[Any] = ()) -> PartReader:
        """A reader of the parts of a dataset."""
        return cls(place, model, replace(manifest, parts=()), tuple(where))

    def objects(self, part: Part) -> Iterator[Any]:
        """The objects of a part. They are lazy; what sends them to another process sends plain ones."""
        return iter(self._rows(part))

    def tables(self, part: Part, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The rows of a part as tables of pyarrow, one after the other; one at least, since it has the columns."""
        import pyarrow

        reader = self._rows(part).arrow(columns)
        found = False
        for batch in reader:
            found = True
            yield pyarrow.Table.from_batches([batch])
        if not found:
            yield reader.schema.empty_table()

    def frame(self, part: Part, columns: Sequence[str] | None = None) -> Any:
        """The rows of a part as a DataFrame of pandas with types of Arrow."""
        return to_pandas(self._rows(part).arrow(columns).read_all())

    def _rows(self, part: Part) -> ScalarResult[Any]:
        session = open_part(self.place, part, self.model, self.manifest)
        return session.scalars(rows_of(session, self.model).where(*self.where))


def to_pandas(table: Any) -> Any:
    """A table as a DataFrame. Each column has one type in all parts: words of enums come as texts, not as categories.

    A category's type would depend on the words of its part, and that of an int on whether the part has a None.
    """
    import pandas
    import pyarrow

    for place, column in enumerate(table.schema):
        if pyarrow.types.is_dictionary(column.type):
            table = table.set_column(place, column.name, table.column(place).cast(pyarrow.string()))
    return table.to_pandas(types_mapper=pandas.ArrowDtype)


def needed(modules: Sequence[str], extra: str, call: str) -> list[Any]:
    """Modules of an extra.

    Raises:
        MissingExtraError: one is not installed; `call` needs it.
    """
    try:
        return [import_module(name) for name in modules]
    except ImportError as problem:
        raise MissingExtraError(
            f"{call} needs {extra}: install it with pip install 'parcode-orm[{extra}]'"
        ) from problem

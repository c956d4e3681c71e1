"""`Columnar`: computed rows as columns in memory. A statement asks them as it asks a collection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ...codec.base import Column
from ..columns.operators import dig
from ..columns.vectors import Objects, Rows, Vector, apply, indices
from ..expressions.evaluate import Unparted
from .sources import Batch


class Columnar(Unparted):
    """Rows with the values of `vectors`, by name: a `Source`, and the one `Batch` of it. `row` makes one of values."""

    __slots__ = ("_row", "_vectors", "count", "how")
    model = None

    def __init__(self, vectors: dict[str, Vector], count: int, row: Callable[..., Any], how: str) -> None:
        self._vectors = vectors
        self._row = row
        self.count = count
        self.how = how

    def __len__(self) -> int:
        return self.count

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """See `Source`."""
        yield self

    def at_keys(self, keys: Collection[Any], how: str) -> None:
        """There is no index."""

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`."""
        if not path:
            return Objects(self.objects(rows))
        found = self._vectors[path[0]]
        if not isinstance(rows, range) or len(rows) < self.count:
            found = found.take(indices(rows))
        if len(path) == 1 or not len(found):
            return found
        return apply(lambda value: dig(value, path[1:]), [found], len(found))

    def keys(self, rows: Rows) -> Vector:
        """The positions of the rows."""
        return Objects(list(rows) if isinstance(rows, range) else rows.tolist())

    def objects(self, rows: Rows) -> list[Any]:
        """The rows as named tuples."""
        columns: Sequence[list[Any]] = [self.column((name,), rows).tolist() for name in self._vectors]
        return list(map(self._row, *columns))

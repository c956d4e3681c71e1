"""`Subquery`: the rows of a statement as rows that another statement asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...errors import QueryError, told
from ..columns.merging import merged
from ..columns.vectors import Objects, Vector
from ..expressions.aliases import Aliased
from ..expressions.expressions import Expression, builds
from ..expressions.nodes import Field
from ..expressions.selectables import Derived
from ..rows.columnar import Columnar
from ..running.engine import run
from ..running.result import row_class
from ..statements.statement import Select


class Ran(Derived):
    """The rows that `statement` gives, with its values as columns called `names`."""

    cls = None

    def __init__(self, statement: Select[Any], names: tuple[str, ...]) -> None:
        self.statements = (statement,)
        self.names = names

    def source(self, home: Any) -> Columnar:
        """See `Derived`."""
        return columnar(self.names, columns_of(replace(self.statements[0], _home=home)), "the rows of a subquery: ")

    def __repr__(self) -> str:
        return f"{self.statements[0]}.subquery()"


class Subquery(Aliased):
    """What `subquery()` gives: `c` has the columns of its rows, by name."""

    __slots__ = ("_row", "_types")

    def __init__(self, rows: Derived, names: Sequence[str], types: Sequence[Any], called: str) -> None:
        super().__init__(rows, None, called)
        self._types = dict(zip(names, types, strict=True))
        self._row = type(called, (), {})  # the class of the rows, for messages

    @property
    def c(self) -> Columns:
        """The columns, made anew: if they were kept, they and the subquery would be a cycle."""
        return Columns(self)

    @property
    def _outputs(self) -> tuple[Expression[Any], ...]:
        return tuple(self.c)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise QueryError(f"{self._called} has its columns in c: write {self._called}.c.{name}")


class Columns:
    """The columns of a subquery: `best.c.rank`, or `best.c["rank"]`. Iterating gives all of them."""

    __slots__ = ("_of",)

    def __init__(self, of: Subquery) -> None:
        self._of = of

    def __getitem__(self, name: str) -> Field[Any]:
        of = self._of
        if name not in of._types:
            raise QueryError(f"{of._called} has no column {told(name)}: it has {', '.join(of._types)}")
        return Field[Any](of._row, (name,), of._types[name], of)

    def __getattr__(self, name: str) -> Field[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Any:
        return map(self.__getitem__, self._of._types)

    def __len__(self) -> int:
        return len(self._of._types)


@builds
def subquery(statement: Select[Any], name: Any) -> Subquery:
    """The rows of a statement as rows that another one asks.

    Raises:
        QueryError: `name` is no name.
    """
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise QueryError(f"subquery(name): a name is such as 'best', not {told(name)}")
    names = names_of(statement)
    types = [each._tp for each in statement._outputs]
    return Subquery(Ran(statement, names), names, types, name or "subquery")


def names_of(statement: Select[Any]) -> tuple[str, ...]:
    """The names of a statement's values; `_1` for one whose name is none, or stands before."""
    found: tuple[str, ...] = row_class(tuple([each._name for each in statement._outputs]))._fields
    return found


def columnar(names: Sequence[str], vectors: Sequence[Vector], how: str) -> Columnar:
    """Rows of the columns `vectors`."""
    row: Any = row_class(tuple(names))
    return Columnar(dict(zip(names, vectors, strict=True)), len(vectors[0]), row, how)


def columns_of(statement: Select[Any]) -> list[Vector]:
    """The values of a statement, a vector for each of them."""
    parts = list(run(statement))
    if not parts:
        return [Objects([]) for _ in statement._outputs]
    return [merged([part[place] for part in parts]) for place in range(len(statement._outputs))]

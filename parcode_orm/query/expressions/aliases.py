"""`aliased`: the rows of a class or a collection once more in a statement, under another name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from ...errors import QueryError, called, told
from .building import attribute
from .expressions import Expression
from .nodes import Item
from .selectables import is_collection, model_of

T = TypeVar("T")


class Aliased:
    """What `aliased` gives: the `rows` under the name `called`. Its attributes are the fields of these rows."""

    __slots__ = ("_called", "_cls", "_rows")

    def __init__(self, rows: Any, cls: Any, called: str) -> None:
        self._rows = rows
        self._cls = cls
        self._called = called

    @property
    def _item(self) -> Expression[Any]:
        return Item(Any if self._cls is None else self._cls, self)

    @property
    def _outputs(self) -> tuple[Expression[Any], ...]:
        """What `select` gives of them."""
        return (self._item,)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return attribute(self._item, name)

    def __repr__(self) -> str:
        return f"<{self._called}: alias of {called(self._rows) if self._cls is None else self._cls.__qualname__}>"


@overload
def aliased(rows: type[T], /, name: str | None = None) -> type[T]: ...
@overload
def aliased(rows: Mapping[Any, T], /, name: str | None = None) -> type[T]: ...
@overload
def aliased(rows: Sequence[T], /, name: str | None = None) -> type[T]: ...
def aliased(rows: Any, /, name: Any = None) -> Any:
    """Rows that a statement asks a second time, or that have no name of their own.

    `Dest = aliased(Airport)` stands for other airports than `Airport` in the same statement. `Dest.name` is a field of
    them, and `select(Flight, Dest).join(Dest, Flight.dest == Dest.faa)` gives them. Type checkers take `Dest` for the
    class.

    Args:
        rows: a class with a `Key`, or a lazy or plain list or dictionary.
        name: what rows of a result and messages call it; None for the name of the class followed by `_alias`.

    Raises:
        QueryError: `rows` is neither, or `name` is no name.
    """
    if isinstance(rows, Aliased):
        rows = rows._rows
    if not is_collection(rows):
        raise QueryError(f"aliased() takes a class with a Key(), a list or a dictionary, not {called(rows)}")
    if name is not None and not (isinstance(name, str) and name.isidentifier()):
        raise QueryError(f"aliased(rows, name): a name is such as 'origin', not {told(name)}")
    cls = rows if isinstance(rows, type) else model_of(rows)
    return Aliased(rows, cls, name or ("rows" if cls is None else f"{cls.__name__}_alias"))

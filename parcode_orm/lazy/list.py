"""`LazyList`: a stored list, read item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from operator import index as as_index
from typing import Any, ClassVar, Generic, TypeVar, overload

from pydantic_core import SchemaSerializer
from pydantic_core import core_schema as cs

from ..errors import ReadOnlyError
from ..model.plain import deep_plain
from .rows import Rows

T = TypeVar("T")
SHOWN_WHOLE, SHOWN = 100, 10  # items


def _dump(value: LazyList[Any], handler: Callable[[Any], Any]) -> Any:
    return handler(value.load())


class LazyList(MutableSequence[T], Generic[T]):
    """A stored list. Indexing, slicing and iterating read the row groups that they meet, no others.

    In a writable session it changes as a list does, and `commit` stores the change; in a read-only one changing it
    raises `ReadOnlyError`. `load()` gives a plain list that is no longer part of the session.
    """

    __slots__ = ("__weakref__", "replaced", "rows")
    _p_lazy_: ClassVar[bool] = True
    __hash__ = None  # type: ignore[assignment]
    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        cs.any_schema(serialization=cs.wrap_serializer_function_ser_schema(_dump, schema=cs.list_schema()))
    )

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.replaced: list[T] | None = None  # the whole list, from the first change on

    @property
    def location(self) -> tuple[int, ...]:
        """Where the stored rows lie: two collections at one location are the same stored value."""
        return self.rows.location

    def _changing(self) -> list[T]:
        if self.replaced is None:
            if not self.rows.space.writable:
                raise ReadOnlyError("this list was opened read-only: open the file with Session(path) to change it")
            self.replaced = list(self.rows.scan(0, len(self.rows)))
        return self.replaced

    def __len__(self) -> int:
        return len(self.rows if self.replaced is None else self.replaced)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if self.replaced is not None:
            return self.replaced[index]
        size = len(self.rows)
        if isinstance(index, slice):
            start, stop, step = index.indices(size)
            if step == 1:
                return list(self.rows.scan(start, max(start, stop)))
            return [self.rows.get(i) for i in range(start, stop, step)]
        place = as_index(index)
        if not -size <= place < size:
            raise IndexError(f"list index {place} out of range: the list has {size} items")
        value: T = self.rows.get(place + size if place < 0 else place)
        return value

    @overload
    def __setitem__(self, index: int, value: T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[T]) -> None: ...
    def __setitem__(self, index: Any, value: Any) -> None:
        self._changing()[index] = value

    def __delitem__(self, index: int | slice) -> None:
        del self._changing()[index]

    def insert(self, index: int, value: T) -> None:
        """Insert `value` before `index`."""
        self._changing().insert(index, value)

    def sort(self, *, key: Callable[[T], Any] | None = None, reverse: bool = False) -> None:
        """Sort in place, as `list.sort`."""
        self._changing().sort(key=key, reverse=reverse)

    def __iter__(self) -> Iterator[T]:
        if self.replaced is not None:
            return iter(self.replaced)
        return self.rows.scan(0, len(self.rows))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, list | LazyList):
            return NotImplemented
        return len(self) == len(other) and all(a is b or a == b for a, b in zip(self, other, strict=True))

    def __add__(self, other: Iterable[T]) -> list[T]:
        if not isinstance(other, list | LazyList):
            return NotImplemented
        return [*self, *other]

    def __radd__(self, other: Any) -> list[T]:
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def copy(self) -> list[T]:
        """A plain list of the same items, as `list.copy`."""
        return list(self)

    def load(self) -> list[T]:
        """A plain copy of the whole list, without ties to the session."""
        if self.replaced is not None:
            return deep_plain(self.replaced)
        return self.rows.read(0, len(self.rows))

    def __reduce__(self) -> tuple[type[list[T]], tuple[list[T]]]:
        return list, (self.load(),)

    def __repr__(self) -> str:
        """As a list's up to 100 items; of more, the first ten and how many follow: looking does not load them."""
        if len(self) <= SHOWN_WHOLE:
            return repr(list(self))
        return f"[{', '.join(map(repr, self[:SHOWN]))}, <{len(self) - SHOWN} more>]"

"""`LazyList`: a stored list, read item by item."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from itertools import islice, repeat
from operator import index as as_index
from types import GenericAlias
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args, overload

from pydantic import ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, SchemaSerializer
from pydantic_core import core_schema as cs

from ..codec.base import is_lazy_collection
from ..codec.bulk import gc_paused
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import Mixed
from ..codec.stream import ItemSpec
from ..codec.types.marks import enter, item_spec
from ..table.streaming import gather
from .arrow import ArrowStream
from .display import rows_html, some
from .protocols import Rows
from .rows import Whole, field_path, named, unchanged, walk
from .shown import listed, text_of

T = TypeVar("T")
CHANGED = "list changed size during iteration"


# Whoever holds one of these holds its items: nothing is gained by writing them early.
_VIEWS: Any = ({}.keys(), {}.values(), {}.items())
HELD: Any = (list, tuple, deque, set, frozenset, dict, *map(type, _VIEWS))
AT_ONCE = 256  # items of a stream that are validated together


def _bounds(index: slice, size: int) -> tuple[int, int]:
    start, stop, _ = index.indices(size)
    return start, max(start, stop)


def _dump(value: LazyList[object], handler: Callable[[object], object]) -> object:
    return handler(value.load())


def lazy_schema(plain: object, handler: GetCoreSchemaHandler, cls: type) -> CoreSchema:
    """The schema of the type `plain` for an annotation that names `cls`, the lazy class of such collections."""
    schema = handler.generate_schema(plain)
    wrapper = getattr(getattr(handler, "_generate_schema", None), "_config_wrapper", None)
    spec = item_spec(cls.__name__, handler.field_name or "", plain, getattr(wrapper, "config_dict", ConfigDict()))
    assert spec is not None

    def validate(value: object, handler: Callable[[Any], Any]) -> Any:
        return enter(spec, value, handler) if is_lazy_collection(value) else handler(value)

    def dump(value: Any, handler: Callable[[Any], Any]) -> Any:
        return handler(value.load() if is_lazy_collection(value) else value)

    return cs.json_or_python_schema(
        schema,
        cs.no_info_wrap_validator_function(validate, schema),
        serialization=cs.wrap_serializer_function_ser_schema(dump, schema=schema),
    )


class LazyList(ArrowStream, MutableSequence[T], Generic[T]):
    """A stored list. Indexing, slicing and iterating read the row groups that they meet, no others.

    In a writable session it changes as a list does, and `commit` stores the change. What is put there is validated
    against the field's item type first. `load()` gives a plain list that is no part of the session. (`rows`, where the
    items come from, is for the package alone.)

    Raises:
        ReadOnlyError: by changes, in a read-only session.
        pydantic.ValidationError: by changes, where an item does not fit: it names field and position, and nothing has
            changed.
        DetachedError: by changes after the session has let go of it, in a rollback or refresh.
        SessionError: by changes while another thread commits.
        IndexError, TypeError, ValueError: as by a list.
        CorruptionError, DecodeError: by reads: the file is damaged; a value cannot be built here.
        RuntimeError: by iterating: the list changed its size meanwhile.
    """

    __slots__ = ("__weakref__", "_column", "rows")
    _p_lazy_: ClassVar[bool] = True
    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        cs.any_schema(serialization=cs.wrap_serializer_function_ser_schema(_dump, schema=cs.list_schema()))
    )

    def __new__(cls, rows: Any = (), column: ChunkColumn | None = None) -> Any:
        """What has items alone, as Pydantic calls the class of a value given to a `Sequence`, gets a plain list."""
        return list(rows) if column is None else object.__new__(cls)

    def __init__(self, rows: Rows, column: ChunkColumn) -> None:
        self.rows = rows
        self._column = column

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As an annotation it is validated and dumped as a list; lazy lists pass as they are."""
        return lazy_schema(GenericAlias(list, get_args(source) or (Any,)), handler, cls)

    @property
    def location(self) -> tuple[int, ...]:
        """Where the stored items lie, as ints: two collections at one location are the same stored value."""
        return self.rows.location

    @property
    def _p_items_(self) -> ItemSpec | None:
        """What its items are, for the validation of the fields that it enters."""
        return self._column.items

    def _p_mixed_(self) -> Mixed | None:
        """The items for the codec, where they lie in their owner's row group; None for a table."""
        return self.rows.mixed()

    def _p_to_store_(self) -> list[object]:
        """The items of a table for the codec."""
        return list(self.rows.scan(0, len(self.rows)))

    def _p_held_(self) -> list[object]:
        """The values in memory: those handed out, and those that were put there."""
        return self.rows.held()

    def _changing(self) -> Rows:
        self.rows.space.check_change("list")
        return self.rows

    def _checked(self, values: list[object], places: Sequence[int]) -> list[object]:
        """`values` as they are stored at `places`; ValidationError where one cannot be."""
        items = self._column.items
        return values if items is None else items.items(values, places)

    def _checked_stream(self, source: Iterator[object], place: int) -> Iterator[object]:
        while batch := list(islice(source, AT_ONCE)):
            yield from self._checked(batch, range(place, place + len(batch)))
            place += len(batch)

    def _put(self, values: Iterable[object], bounds: Callable[[], tuple[int, int]]) -> None:
        """Put `values`, validated, in the place of the rows within `bounds()`."""
        start, stop = bounds()
        if isinstance(values, HELD):
            added = list(values)
            added = self._checked(added, range(start, start + len(added)))
            with Whole(self.rows):
                self.rows.splice(start, stop, added)
            return
        found = gather(self.rows.space, self._column, self._checked_stream(iter(values), start))
        rows = self._changing()  # whatever the iterator did meanwhile
        with Whole(rows):
            if isinstance(found, list):
                rows.splice(*bounds(), found)
            else:
                self.rows = rows.splice_spilled(self._column, *bounds(), found)

    def __len__(self) -> int:
        return len(self.rows)

    def _place(self, index: int) -> int:
        if not hasattr(index, "__index__"):
            raise TypeError(f"list indices must be integers or slices, not {type(index).__name__}")
        place, size = as_index(index), len(self.rows)
        if not -size <= place < size:
            raise IndexError(f"list index {place} out of range: the list has {size} items")
        return place + size if place < 0 else place

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self.rows))
            if step == 1:
                return list(self.rows.scan(start, max(start, stop)))
            return [self.rows.get(i) for i in range(start, stop, step)]
        value: T = self.rows.get(self._place(index))
        return value

    @overload
    def __setitem__(self, index: int, value: T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[T]) -> None: ...
    def __setitem__(self, index: Any, value: Any) -> None:
        rows = self._changing()
        if not isinstance(index, slice):
            place = self._place(index)
            (value,) = self._checked([value], (place,))
            with Whole(rows):
                rows.set(place, value)
            return
        if index.indices(len(rows))[2] == 1:
            self._put(value, lambda: _bounds(index, len(self.rows)))
            return
        values = list(value)
        rows = self._changing()  # whatever the iterator did meanwhile
        places = range(*index.indices(len(rows)))
        if len(places) != len(values):
            raise ValueError(f"attempt to assign {len(values)} items to an extended slice of {len(places)}")
        values = self._checked(values, places)
        with Whole(rows):
            for place, each in zip(places, values, strict=True):
                rows.set(place, each)

    def __delitem__(self, index: int | slice) -> None:
        rows = self._changing()
        if not isinstance(index, slice):
            place = self._place(index)
            with Whole(rows):
                rows.splice(place, place + 1, [])
            return
        start, stop, step = index.indices(len(rows))
        with Whole(rows):
            if step == 1:
                rows.splice(start, max(start, stop), [])
                return
            for place in sorted(range(start, stop, step), reverse=True):
                rows.splice(place, place + 1, [])

    def insert(self, index: int, value: T) -> None:
        """Insert `value` before `index`."""
        rows = self._changing()
        place, size = as_index(index), len(rows)
        place = min(max(place + size if place < 0 else place, 0), size)
        added = self._checked([value], (place,))
        with Whole(rows):
            rows.splice(place, place, added)

    def append(self, value: T) -> None:
        """Add `value` at the end."""
        rows = self._changing()
        size = len(rows)
        added = self._checked([value], (size,))
        with Whole(rows):
            rows.splice(size, size, added)

    def extend(self, values: Iterable[T]) -> None:
        """Add the items of the iterable `values` at the end, once it has ended.

        Of an iterator that gives more than a row group, items leave memory for a temporary file as they come: they are
        stored as they are then, and an item that you keep is no part of the list.
        """
        self._changing()
        self._put(values, lambda: (len(self.rows), len(self.rows)))

    def __iadd__(self, values: Iterable[T]) -> Self:
        self.extend(values)
        return self

    def pop(self, index: int = -1) -> T:
        """Remove the item at `index`, without it the last one, and return it; IndexError where there is none."""
        rows = self._changing()
        if not len(rows):
            raise IndexError("pop from empty list")
        place = self._place(index)
        value: T = rows.get(place)
        with Whole(rows):
            rows.splice(place, place + 1, [])
        return value

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The first position of `value`, of those from `start` to `stop`; ValueError where it is not there."""
        first, last, _ = slice(start, stop).indices(len(self.rows))
        version = self.rows.version
        for place, item in enumerate(self.rows.scan(first, max(first, last)), first):
            if item is value or item == value:
                return place
            if self.rows.version != version:
                raise RuntimeError(CHANGED)
        raise ValueError(f"{text_of(value)} is not in the list")

    def remove(self, value: T) -> None:
        """Remove the first item that is equal to `value`; ValueError where there is none."""
        self._changing()
        place = self.index(value)
        rows = self._changing()
        with Whole(rows):
            rows.splice(place, place + 1, [])

    def clear(self) -> None:
        """Remove all items."""
        rows = self._changing()
        with Whole(rows):
            rows.splice(0, len(rows), [])

    def reverse(self) -> None:
        """Reverse the order of the items in place; all are read."""
        rows = self._changing()
        reversed_ = list(self)[::-1]
        with Whole(rows):
            rows.splice(0, len(rows), reversed_)

    def sort(self, *, key: Callable[[T], Any] | None = None, reverse: bool = False) -> None:
        """Sort in place by `key(item)`, largest first with `reverse`, as `list.sort`; all items are read."""
        version = self._changing().version
        found: list[Any] = list(self)
        found.sort(key=key, reverse=reverse)
        rows = self._changing()
        if rows.version != version:  # `key` did it: what it added would be lost
            raise ValueError("list modified during sort")
        with Whole(rows):
            rows.splice(0, len(rows), found)

    def __iter__(self) -> Iterator[T]:
        return walk(self, self.rows.version, CHANGED)

    def __reversed__(self) -> Iterator[T]:
        version = self.rows.version
        for position in range(len(self.rows) - 1, -1, -1):
            yield self.rows.get(position)  # a commit may have given the list other `rows`
            if self.rows.version != version:
                raise RuntimeError(CHANGED)

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

    def __radd__(self, other: object) -> list[T]:
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def copy(self) -> list[T]:
        """A plain list of the same items, as `list.copy`."""
        return list(self)

    def column(self, name: str) -> Any:
        """The field `name` of all items as a numpy array; dots lead into nested models (`"position.x"`).

        Nothing but that field is read, and no object made. Numbers and bools come as numbers, without a copy (and then
        read-only, at the width they are stored with) where one row group holds them uncompressed; anything else, None
        among numbers too, comes as an array of objects.

        Raises:
            AttributeError: the model has no such field.
            TypeError: `name` is no str.
        """
        return self.rows.column(field_path(name))

    def to_numpy(self) -> Any:
        """The items as a numpy array, of the types that `column` tells: of int64, say, for a list of ints."""
        return self.rows.column([])

    def iter_chunks(self) -> Iterator[list[T]]:
        """The items as plain lists of plain copies, as `load()` gives them, a row group at a time.

        A row group has 4,096 items at most; no more than a few are in memory at once, however long the list.

        Raises:
            RuntimeError: the list changed its size meanwhile.
        """
        return unchanged(self.rows, self.rows.chunks(), "list")

    def iter_columns(self, *names: str) -> Iterator[Any]:
        """Fields of the items as numpy arrays, a row group at a time, of `column`'s names.

        One name gives an array each time, several a dictionary of arrays by name. Numbers come as int64 (uint64 where
        one does not fit), float64 or bool; anything else, None among numbers too, as an array of objects.

        Raises:
            AttributeError: the model has no such field.
            TypeError: there is no name among `names`, or one is no str.
            RuntimeError: the list changed its size meanwhile.
        """
        return unchanged(self.rows, named(names, self.rows.columns), "list")

    def load(self) -> list[T]:
        """A plain copy of the whole list: a `list` of plain objects, without ties to the session.

        Raises:
            CorruptionError, DecodeError: the file is damaged; a value cannot be built here.
        """
        with gc_paused():
            return self.rows.read(0, len(self.rows))

    def __reduce__(self) -> tuple[type[list[T]], tuple[list[T]]]:
        return list, (self.load(),)

    def __repr__(self) -> str:
        """As a list's up to 100 items; of more, the first ones and how many follow. It never fails."""
        return f"[{listed(self, len(self))}]"

    def _repr_html_(self) -> str:
        return rows_html(enumerate(self), len(self), type(self).__name__, "")

    def __rich_repr__(self) -> Iterator[Any]:
        return some(zip(repeat(None), self), len(self))

    def _check(self) -> None:
        """The rules that hold between any two operations; for tests."""
        self.rows._check()

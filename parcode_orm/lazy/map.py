"""`LazyMap`: a stored dictionary, looked up key by key."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar, overload

from pydantic_core import SchemaSerializer
from pydantic_core import core_schema as cs

from ..codec.bulk import gc_paused
from ..errors import ReadOnlyError
from ..table.table import MISSING
from .list import SHOWN, SHOWN_WHOLE
from .rows import PairRows

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


def _dump(value: LazyMap[Any, Any], handler: Callable[[Any], Any]) -> Any:
    return handler(value.load())


class _Values(ValuesView[V]):
    """The values, read a row group at a time."""

    __slots__ = ()
    _mapping: LazyMap[Any, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping._scan()


class _Items(ItemsView[K, V]):
    """The pairs, read a row group at a time."""

    __slots__ = ()
    _mapping: LazyMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return zip(self._mapping, self._mapping._scan(), strict=True)


class LazyMap(MutableMapping[K, V], Generic[K, V]):
    """A stored dictionary. `[key]`, `get` and `in` read one index shard and one row; iterating, a row group at a time.

    In a writable session it changes as a dictionary does, and `commit` stores the change; in a read-only one changing
    it raises `ReadOnlyError`. `load()` gives a plain dictionary that is no longer part of the session.
    """

    __slots__ = ("__weakref__", "rows")
    _p_lazy_: ClassVar[bool] = True
    __hash__ = None  # type: ignore[assignment]
    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        cs.any_schema(serialization=cs.wrap_serializer_function_ser_schema(_dump, schema=cs.dict_schema()))
    )

    def __init__(self, rows: PairRows) -> None:
        self.rows = rows

    @property
    def location(self) -> tuple[int, ...]:
        """Where the stored rows lie: two collections at one location are the same stored value."""
        return self.rows.location

    def _p_held_(self) -> list[Any]:
        """The values in memory: those handed out, and those that were put there."""
        return self.rows.held()

    def _changing(self) -> PairRows:
        if not self.rows.space.writable:
            raise ReadOnlyError("this map was opened read-only: open the file with Session(path) to change it")
        return self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: K) -> V:
        value: Any = self.rows.find(key, MISSING)
        if value is MISSING:
            raise KeyError(key)
        found: V = value
        return found

    def __contains__(self, key: object) -> bool:
        return self.rows.has(key)

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V) -> V: ...
    @overload
    def get(self, key: K, /, default: D) -> V | D: ...
    def get(self, key: K, /, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        return self.rows.find(key, default)

    def __setitem__(self, key: K, value: V) -> None:
        hash(key)
        self._changing().put(key, value)

    def __delitem__(self, key: K) -> None:
        if not self._changing().remove(key):
            raise KeyError(key)

    def popitem(self) -> tuple[K, V]:
        """Remove the last pair and return it, as `dict.popitem`."""
        rows = self._changing()
        size = len(rows)
        if not size:
            raise KeyError("popitem(): the map is empty")
        key: K = rows.key_at(size - 1)
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all pairs."""
        self._changing().clear()

    def __iter__(self) -> Iterator[K]:
        keys: Iterator[K] = self.rows.keys()
        return self._watched(keys)

    def _scan(self) -> Iterator[V]:
        return self._watched(self.rows.scan(0, len(self.rows)))

    def _watched(self, values: Iterator[D]) -> Iterator[D]:
        rows = self.rows
        version = rows.version
        for value in values:
            yield value
            if rows.version != version:
                raise RuntimeError("dictionary changed size during iteration")

    def __reversed__(self) -> Iterator[K]:
        keys: list[K] = list(self.rows.keys())
        return reversed(keys)

    def values(self) -> ValuesView[V]:
        """A view of the values."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """A view of the pairs."""
        return _Items(self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, dict | LazyMap):
            return NotImplemented
        if len(self) != len(other):
            return False
        missing = object()
        for key, value in self.items():
            theirs = other.get(key, missing)
            if theirs is missing or not (value is theirs or value == theirs):
                return False
        return True

    def __or__(self, other: Any) -> dict[Any, Any]:
        if not isinstance(other, dict | LazyMap):
            return NotImplemented
        return {**dict(self.items()), **dict(other.items())}

    def __ror__(self, other: Any) -> dict[Any, Any]:
        return {**other, **dict(self.items())} if isinstance(other, dict) else NotImplemented

    def __ior__(self, other: Any) -> LazyMap[K, V]:
        self.update(other)
        return self

    def copy(self) -> dict[K, V]:
        """A plain dictionary of the same values, as `dict.copy`."""
        return dict(self.items())

    def column(self, name: str) -> Any:
        """The field `name` of all values as a numpy array; dots lead into nested models (`"position.x"`).

        Nothing but that field is read, and no object made. Numbers and bools come as numbers, without a copy (and then
        read-only, at the width they are stored with) where one row group holds them uncompressed; anything else, None
        among numbers too, comes as an array of objects.

        Raises:
            AttributeError: the model has no such field.
        """
        return self.rows.column(name.split("."))

    def load(self) -> dict[K, V]:
        """A plain copy of the whole dictionary, without ties to the session."""
        rows = self.rows
        with gc_paused():
            return dict(zip(rows.keys(), rows.read(0, len(rows)), strict=True))

    def __reduce__(self) -> tuple[type[dict[K, V]], tuple[dict[K, V]]]:
        return dict, (self.load(),)

    def __repr__(self) -> str:
        """As a dictionary's up to 100 pairs; of more, the first ten and how many follow."""
        if len(self) <= SHOWN_WHOLE:
            return repr(dict(self.items()))
        shown = ", ".join(f"{key!r}: {value!r}" for key, value in islice(self.items(), SHOWN))
        return f"{{{shown}, <{len(self) - SHOWN} more>}}"

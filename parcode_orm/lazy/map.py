"""`LazyMap`: a stored dictionary, looked up key by key."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from itertools import chain, islice
from types import GenericAlias
from typing import Any, ClassVar, Generic, TypeVar, get_args, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, SchemaSerializer
from pydantic_core import core_schema as cs

from ..codec.bulk import gc_paused
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import MixedPairs
from ..codec.stream import ItemSpec
from ..errors import told
from ..table.streaming import gather
from ..table.table import MISSING
from .arrow import ArrowStream
from .display import KEYS, rows_html, some
from .list import AT_ONCE, HELD, lazy_schema
from .protocols import PairRows
from .rows import Whole, field_path, named, unchanged, walk
from .shown import paired
from .spans import SpanPairs

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")
CHANGED = "dictionary changed size during iteration"


def _dump(value: LazyMap[object, object], handler: Callable[[object], object]) -> object:
    return handler(value.load())


class _Keys(KeysView[K]):
    """The keys."""

    __slots__ = ()
    _mapping: LazyMap[K, object]

    def __reversed__(self) -> Iterator[K]:
        return reversed(self._mapping)


class _Values(ValuesView[V]):
    """The values, read a row group at a time."""

    __slots__ = ()
    _mapping: LazyMap[object, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping._scan()

    def __reversed__(self) -> Iterator[V]:
        return self._mapping._scan_back()


class _Items(ItemsView[K, V]):
    """The pairs, read a row group at a time."""

    __slots__ = ()
    _mapping: LazyMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return zip(self._mapping, self._mapping._scan(), strict=True)

    def __reversed__(self) -> Iterator[tuple[K, V]]:
        return zip(reversed(self._mapping), self._mapping._scan_back(), strict=True)


for _view, _name in ((_Keys, "KeysView"), (_Values, "ValuesView"), (_Items, "ItemsView")):
    _view.__name__ = _view.__qualname__ = _name  # their texts and messages have it


def _pair(given: object, place: int) -> tuple[object, object]:
    if type(given) is tuple:
        pair = given
    elif isinstance(given, Iterable):
        pair = tuple(given)
    else:
        raise TypeError(f"update sequence element #{place} is {told(given)}, not a pair of key and value")
    if len(pair) != 2:
        raise ValueError(f"update sequence element #{place} has length {len(pair)}; 2 is required")
    hash(pair[0])
    return pair


class LazyMap(ArrowStream, MutableMapping[K, V], Generic[K, V]):
    """A stored dictionary. `[key]`, `get` and `in` read one index shard and one row; iterating, a row group at a time.

    In a writable session it changes as a dictionary does, and `commit` stores the change. What is put there is
    validated against the field's types of keys and values first. `load()` gives a plain dictionary that is no part of
    the session. (`rows`, where the pairs come from, is for the package alone.)

    Raises:
        KeyError: by `[key]`, `del` and `pop`, where there is no such key; `get` gives None.
        ReadOnlyError: by changes, in a read-only session.
        pydantic.ValidationError: by changes, where a key or value does not fit: it names field and key, and nothing has
            changed.
        DetachedError: by changes after the session has let go of it, in a rollback or refresh.
        SessionError: by changes while another thread commits.
        TypeError: a key is not hashable.
        CorruptionError, DecodeError: by reads: the file is damaged; a value cannot be built here.
        RuntimeError: by iterating: the map changed its size meanwhile.
    """

    __slots__ = ("__weakref__", "_column", "rows")
    _p_lazy_: ClassVar[bool] = True
    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        cs.any_schema(serialization=cs.wrap_serializer_function_ser_schema(_dump, schema=cs.dict_schema()))
    )

    def __new__(cls, rows: Any = (), column: ChunkColumn | None = None) -> Any:
        """What has pairs alone, as Pydantic calls the class of a value given to a mapping, gets a plain dictionary."""
        return dict(rows) if column is None else object.__new__(cls)

    def __init__(self, rows: PairRows, column: ChunkColumn) -> None:
        self.rows = rows
        self._column = column

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As an annotation it is validated and dumped as a dictionary; lazy maps pass as they are."""
        return lazy_schema(GenericAlias(dict, get_args(source) or (Any, Any)), handler, cls)

    @property
    def location(self) -> tuple[int, ...]:
        """Where the stored pairs lie, as ints: two collections at one location are the same stored value."""
        return self.rows.location

    @property
    def _p_items_(self) -> ItemSpec | None:
        """What its pairs are, for the validation of the fields that it enters."""
        return self._column.items

    def _p_mixed_(self) -> MixedPairs | None:
        """The pairs for the codec, where they lie in their owner's row group; None for a table."""
        rows = self.rows
        return MixedPairs(rows.all_keys(), rows.mixed()) if isinstance(rows, SpanPairs) else None

    def _p_to_store_(self) -> dict[object, object]:
        """The pairs of a table for the codec."""
        return dict(zip(self.rows.keys(), self.rows.scan(0, len(self.rows)), strict=True))

    def _p_held_(self) -> list[object]:
        """The values in memory: those handed out, and those that were put there."""
        return self.rows.held()

    def _changing(self) -> PairRows:
        self.rows.space.check_change("map")
        return self.rows

    def _checked(self, pairs: list[tuple[object, object]]) -> list[tuple[Any, Any]]:
        """`pairs` as they are stored; ValidationError where one cannot be."""
        items = self._column.items
        return pairs if items is None else items.pairs(pairs)

    def _checked_stream(self, pairs: Iterator[object]) -> Iterator[tuple[object, object]]:
        place = 0
        while batch := list(islice(pairs, AT_ONCE)):
            yield from self._checked([_pair(each, place + at) for at, each in enumerate(batch)])
            place += len(batch)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: K) -> V:
        value: V = self.rows.find(key, MISSING)
        if value is MISSING:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self.rows.has(key)

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V) -> V: ...
    @overload
    def get(self, key: K, /, default: D) -> V | D: ...
    def get(self, key: K, /, default: Any = None) -> Any:
        """The value of `key`; `default`, without it None, where there is no such key."""
        return self.rows.find(key, default)

    def __setitem__(self, key: K, value: V) -> None:
        rows = self._changing()
        hash(key)
        ((key, value),) = self._checked([(key, value)])
        with Whole(rows):
            rows.put(key, value)

    @overload
    def setdefault(self: LazyMap[K, V | None], key: K, default: None = None, /) -> V | None: ...
    @overload
    def setdefault(self, key: K, default: V, /) -> V: ...
    def setdefault(self, key: object, default: object = None, /) -> Any:
        """The value of `key`, which is `default` from now on where there was none."""
        rows = self._changing()
        value = rows.find(key, MISSING)
        if value is MISSING:
            key, default = self._checked([(key, default)])[0]
            value = rows.find(key, MISSING)
            if value is MISSING:
                with Whole(rows):
                    rows.put(key, default)
                value = default
        return value

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Set the pairs of `other`, a mapping or an iterable of pairs, once it has ended, and those of `values`.

        Of an iterator that gives more than a row group, pairs leave memory for a temporary file as they come: they are
        stored as they are then, a value that you keep is no part of the map, and of new keys that come twice the last
        pair is stored, in its own place.
        """
        self._changing()
        if isinstance(other, Mapping):
            other = other.items()
        elif hasattr(other, "keys"):
            other = ((key, other[key]) for key in other.keys())  # what has keys() need not iterate
        if values:
            other = [*other, *values.items()] if isinstance(other, HELD) else chain(other, values.items())
        if isinstance(other, HELD):
            found: Any = self._checked([_pair(each, place) for place, each in enumerate(other)])
        else:
            found = gather(self.rows.space, self._column, self._checked_stream(iter(other)))
        rows = self._changing()  # whatever the iterator did meanwhile
        with Whole(rows):
            if isinstance(found, list):
                for key, value in found:
                    rows.put(key, value)
            else:
                self.rows = rows.put_spilled(self._column, found)

    def __delitem__(self, key: K) -> None:
        rows = self._changing()
        with Whole(rows):
            if rows.remove(key):
                return
        raise KeyError(key)

    def popitem(self) -> tuple[K, V]:
        """Remove the last pair and return it, as `dict.popitem`; KeyError where there is none."""
        rows = self._changing()
        size = len(rows)
        if not size:
            raise KeyError("popitem(): the map is empty")
        key: K = rows.key_at(size - 1)
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all pairs."""
        rows = self._changing()
        with Whole(rows):
            rows.clear()

    def __iter__(self) -> Iterator[K]:
        return self._keys(self.rows.version)

    def _keys(self, version: int) -> Iterator[K]:
        if self.rows.version != version:
            raise RuntimeError(CHANGED)
        for key in self.rows.keys():
            yield key
            if self.rows.version != version:
                raise RuntimeError(CHANGED)

    def _scan(self) -> Iterator[V]:
        return walk(self, self.rows.version, CHANGED)

    def _scan_back(self) -> Iterator[V]:
        # A commit may give the map other `rows` between two of them.
        return self._watched(self.rows.get(position) for position in range(len(self.rows) - 1, -1, -1))

    def _watched(self, values: Iterator[D]) -> Iterator[D]:
        version = self.rows.version
        for value in values:
            yield value
            if self.rows.version != version:
                raise RuntimeError(CHANGED)

    def __reversed__(self) -> Iterator[K]:
        keys: list[K] = list(self.rows.keys())
        return self._watched(reversed(keys))

    def keys(self) -> KeysView[K]:
        """A view of the keys, in the order of the map."""
        return _Keys(self)

    def values(self) -> ValuesView[V]:
        """A view of the values; iterating reads a row group at a time."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """A view of the pairs (key, value); iterating reads a row group at a time."""
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

    def __or__(self, other: object) -> dict[Any, Any]:
        if not isinstance(other, dict | LazyMap):
            return NotImplemented
        return {**dict(self.items()), **dict(other.items())}

    def __ror__(self, other: object) -> dict[Any, Any]:
        return {**other, **dict(self.items())} if isinstance(other, dict) else NotImplemented

    def __ior__(self, other: object) -> LazyMap[K, V]:
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
            TypeError: `name` is no str.
        """
        return self.rows.column(field_path(name))

    def iter_chunks(self) -> Iterator[dict[K, V]]:
        """The pairs as plain dictionaries of plain copies, as `load()` gives them, a row group at a time.

        A row group has 4,096 pairs at most; no more than a few are in memory at once, however large the map.

        Raises:
            RuntimeError: the map changed its size meanwhile.
        """
        return unchanged(self.rows, self.rows.pair_chunks(), "dictionary")

    def iter_columns(self, *names: str) -> Iterator[Any]:
        """The fields `names` of the values as numpy arrays, a row group at a time; as `LazyList.iter_columns`."""
        return unchanged(self.rows, named(names, self.rows.columns), "dictionary")

    def load(self) -> dict[K, V]:
        """A plain copy of the whole dictionary: a `dict` of plain objects, without ties to the session.

        Raises:
            CorruptionError, DecodeError: the file is damaged; a value cannot be built here.
        """
        with gc_paused():
            return self.rows.load()

    def __reduce__(self) -> tuple[type[dict[K, V]], tuple[dict[K, V]]]:
        return dict, (self.load(),)

    def __repr__(self) -> str:
        """As a dictionary's up to 100 pairs; of more, or of large ones, the first ones and how many follow.

        A part that cannot be read is named with the reason. Nothing is raised.
        """
        return f"{{{paired(self.items(), len(self))}}}"

    def _repr_html_(self) -> str:
        return rows_html(self.items(), len(self), type(self).__name__, "key")

    def __rich_repr__(self) -> Iterator[Any]:
        return some(self.items(), len(self))

    def _ipython_key_completions_(self) -> list[K]:
        """The first keys, for the completion of `players["` in IPython."""
        return list(islice(self, KEYS))

    def _check(self) -> None:
        """The rules that hold between any two operations; for tests."""
        self.rows._check()

"""Rows in memory, with the interface of rows in a file; lists and maps that only load."""

import copy
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import SchemaSerializer
from pydantic_core import core_schema as cs

from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.marks import find_mark
from parcode_orm.errors import DetachedError, FieldNotStored
from parcode_orm.lazy.proxy import make_proxy
from parcode_orm.model import Model


def _serializer(schema: Any) -> SchemaSerializer:
    wrap = cs.wrap_serializer_function_ser_schema(lambda value, handler: handler(value.load()), schema=schema)
    return SchemaSerializer(cs.any_schema(serialization=wrap))


class FakeLazyList(MutableSequence):
    _p_lazy_ = True
    _p_items_ = None
    __pydantic_serializer__ = _serializer(cs.list_schema())

    def __init__(self, data):
        self.data = data
        self.loads = 0

    def __len__(self):
        return len(self.data)

    def __getitem__(self, at):
        return self.data[at]

    def __setitem__(self, at, value):
        self.data[at] = value

    def __delitem__(self, at):
        del self.data[at]

    def insert(self, at, value):
        self.data.insert(at, value)

    def __eq__(self, other):
        return self.data == (other.data if isinstance(other, FakeLazyList) else other)

    def load(self):
        self.loads += 1
        return copy.deepcopy(self.data)

    def __reduce__(self):
        return list, (self.load(),)

    def __repr__(self):
        return repr(self.data)


class FakeLazyMap(MutableMapping):
    _p_lazy_ = True
    _p_items_ = None
    __pydantic_serializer__ = _serializer(cs.dict_schema())

    def __init__(self, data):
        self.data = data
        self.loads = 0

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return iter(self.data)

    def __getitem__(self, at):
        return self.data[at]

    def __setitem__(self, at, value):
        self.data[at] = value

    def __delitem__(self, at):
        del self.data[at]

    def __eq__(self, other):
        return self.data == (other.data if isinstance(other, FakeLazyMap) else other)

    def load(self):
        self.loads += 1
        return copy.deepcopy(self.data)

    def __reduce__(self):
        return dict, (self.load(),)

    def __repr__(self):
        return repr(self.data)


class FakeSpace:
    def __init__(self) -> None:
        self.writable = False
        self.pinned: list[Any] = []
        self.closed = False

    def pin(self, proxy: Any) -> None:
        self.pinned.append(proxy)

    def check_change(self, what: str) -> None:
        """Changes are let through: what they do to the object is the same wherever they may be stored."""


class FakeView:
    """One row: the plain object."""

    def __init__(self, plain: Any, space: FakeSpace) -> None:
        self.cls = type(plain)
        self.column = struct_for(type(plain))
        self.plain = plain
        self.space = space
        self.getters: dict[str, Callable[[int], Any]] = {}
        self.log: list[str] = []
        self.made: type | None = None
        self.live: dict[int, Any] = {}
        self.broken: dict[str, Exception] = {}

    def getter(self, name: str) -> Callable[[int], Any]:
        apart = find_mark(self.cls.__pydantic_fields__[name].metadata) is not None

        def get(row: int) -> Any:
            self.log.append(name)
            if self.space.closed:
                raise DetachedError(f"{self.cls.__name__}.{name} was not read before the session was closed")
            if name in self.broken:
                raise self.broken[name]
            if name not in self.plain.__dict__:
                raise FieldNotStored(name)
            return _lazily(self.plain.__dict__[name], apart, self.space)

        self.getters[name] = get
        return get

    def fields_set(self, row: int) -> set[str] | None:
        if self.plain.__pydantic_fields_set__ == set(self.cls.__pydantic_fields__):
            return None
        return set(self.plain.__pydantic_fields_set__)

    def extra(self, row: int) -> dict[str, Any] | None:
        return copy.deepcopy(self.plain.__pydantic_extra__)

    def private(self, row: int) -> dict[str, Any]:
        private = self.plain.__pydantic_private__ or {}
        return {name: copy.deepcopy(value) for name, value in private.items()}


def _lazily(value: Any, apart: bool, space: FakeSpace) -> Any:
    if isinstance(value, Model):
        return stored(value, space)
    if type(value) is list:
        items = [_lazily(item, False, space) for item in value]
        return FakeLazyList(items) if apart else items
    if type(value) is dict:
        pairs = {key: _lazily(item, False, space) for key, item in value.items()}
        return FakeLazyMap(pairs) if apart else pairs
    return copy.deepcopy(value)


def stored(plain: BaseModel, space: FakeSpace | None = None) -> Any:
    return make_proxy(FakeView(plain, space or FakeSpace()), 0)

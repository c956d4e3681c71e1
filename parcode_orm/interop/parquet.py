"""Columns of a stored schema as columns of Arrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..codec.stored import LISTS, MAPS
from ..errors import EncodeError, told
from .formats import pyarrow
from .rows import Described, text_of

Convert = Callable[[Any], Any]
_MOMENTS = object()  # datetimes: their first value says whether they have a zone
DEEP = 32  # structs in each other; a class that holds itself is text from there on


class Columns:
    """Turns blocks of rows to tables of Arrow, all of one schema."""

    def __init__(self, names: list[str], types: list[Described | None]) -> None:
        self._names = names
        self._types: list[tuple[Any, Convert | None]] = [
            (None, None) if each is None else _top(each.node, each.structs) for each in types
        ]

    def table(self, block: list[tuple[Any, ...]]) -> Any:
        """The table of a block.

        Raises:
            EncodeError: a value does not fit its column.
        """
        arrow = pyarrow()
        columns = list(zip(*block, strict=True)) or [()] * len(self._names)
        arrays = []
        for at, (name, values) in enumerate(zip(self._names, columns, strict=True)):
            tp, convert = self._types[at]
            if tp is _MOMENTS:
                tp = self._moments(at, values)
            if convert is not None:
                values = tuple([None if value is None else convert(value) for value in values])
            try:
                array = arrow.array(values, tp)
            except (arrow.ArrowException, OverflowError, TypeError, ValueError) as problem:
                raise EncodeError(
                    f"the column {told(name)} does not fit Parquet: {problem}; export it as JSON lines"
                ) from problem
            if tp is None:
                self._types[at] = (array.type, None)
            arrays.append(array)
        return arrow.table(arrays, names=self._names)

    def _moments(self, at: int, values: Any) -> Any:
        """The type of a column of datetimes, with or without a zone as the first of them is."""
        first = next((value for value in values if value is not None), None)
        tp = pyarrow().timestamp("us", None if first is None or first.tzinfo is None else "UTC")
        self._types[at] = (tp, None)
        return tp


def _top(node: Any, structs: dict[str, Any]) -> tuple[Any, Convert | None]:
    bare = node.get("optional", node) if isinstance(node, dict) else node
    is_moment = isinstance(bare, dict) and bare.get("convert") == "datetime"
    return (_MOMENTS, None) if is_moment else _arrow(node, structs, 0)


def _arrow(node: Any, structs: dict[str, Any], deep: int) -> tuple[Any, Convert | None]:
    """The type of Arrow for values of a description, and what makes a value of Arrow; None where nothing has to."""
    arrow = pyarrow()
    if isinstance(node, str):
        return _atoms(arrow)[node]
    for around in ("optional", "chunk", "map"):
        if around in node:
            return _arrow(node[around], structs, deep)
    if "convert" in node and node["convert"] in _SIMPLE:
        return getattr(arrow, _SIMPLE[node["convert"]][0])(*_SIMPLE[node["convert"]][1:]), None
    if "members" in node or "literal" in node:
        return _choices(node)
    if "struct" in node and deep < DEEP:
        return _struct(structs[node["struct"]], structs, deep + 1)
    kinds = node.keys() & (LISTS | MAPS)
    if not kinds or "fixed" in node:
        return arrow.string(), text_of
    (kind,) = kinds
    if kind in MAPS:
        (key, of_key), (value, of_value) = (_arrow(each, structs, deep) for each in node[kind])
        return arrow.map_(key, value), lambda pairs: [
            (_one(of_key, each), _one(of_value, other)) for each, other in pairs.items()
        ]
    item, of_item = _arrow(node[kind], structs, deep)
    return arrow.list_(item), (list if of_item is None else lambda items: [_one(of_item, each) for each in items])


def _choices(node: dict[str, Any]) -> tuple[Any, Convert | None]:
    """Members of an enum, and literals: integers where all are."""
    arrow = pyarrow()
    values = [value for _, value in node["members"]] if "members" in node else node["literal"]
    if values and all(type(value) is int for value in values):
        return arrow.int64(), lambda value: getattr(value, "value", value)
    return arrow.string(), text_of


def _one(convert: Convert | None, value: Any) -> Any:
    return value if convert is None or value is None else convert(value)


def _struct(body: dict[str, Any], structs: dict[str, Any], deep: int) -> tuple[Any, Convert | None]:
    arrow = pyarrow()
    fields = {name: _arrow(node, structs, deep) for name, node in body["fields"] if not name.startswith("(")}
    if not fields or body["kind"] == "root model":  # Parquet has no structs without fields
        return arrow.string(), text_of
    read: Callable[[Any, str], Any] = dict.get if body["kind"] in ("model", "base model", "typed dict") else getattr
    return arrow.struct([(name, tp) for name, (tp, _) in fields.items()]), lambda value: {
        name: _one(convert, read(value, name)) for name, (_, convert) in fields.items()
    }


_SIMPLE: dict[str, tuple[Any, ...]] = {
    "date": ("date32",),
    "time": ("time64", "us"),
    "timedelta": ("duration", "us"),
}


def _atoms(arrow: Any) -> dict[str, tuple[Any, Convert | None]]:
    return {
        "int": (arrow.int64(), None),
        "float": (arrow.float64(), None),
        "bool": (arrow.bool_(), None),
        "text": (arrow.string(), None),
        "bytes": (arrow.binary(), None),
        "bytearray": (arrow.binary(), bytes),
        "none": (arrow.null(), None),
        "any": (arrow.string(), text_of),
    }

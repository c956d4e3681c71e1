"""Classes of which no column is known: stored as Pydantic dumps them, or by the functions `register_type` was given."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from ...errors import DecodeError, EncodeError, ParcodeError, UnsupportedTypeError, told
from ..columns.convert import BY_TYPE, each
from ..columns.fallback import Way, has_no_equality, type_adapter
from .alike import alike
from .named import SUBCLASSED, Parts
from .names import bare, spelling
from .typeforms import ANY

# Core schemas of which Pydantic knows no dump of its own.
_OPAQUE = frozenset({"is-instance", "is-subclass", "callable", "generator", "any", "call", "custom-error"})
_INNER = ("function-after", "function-before", "function-wrap", "default", "nullable")
_BUILTINS = (int, float, bool, str, bytes, bytearray, list, dict, tuple, set, frozenset, type(None))


def custom_way(tp: Any, where: str) -> Way | None:
    """The way of values of `tp`, a field's type, through Pydantic; None where Pydantic does not dump them."""
    try:
        adapter = type_adapter(tp)
        schema: Any = adapter.core_schema
    except Exception:
        return None
    own = not (isinstance(tp, type) and issubclass(tp, SUBCLASSED))
    if not dumpable(schema, {}, own):
        return None
    tools: Any = (adapter.validator, adapter.serializer)
    return Way(f"{where}: {_name(tp)}", lambda: tools)


def custom_parts(tp: Any, where: str) -> Parts | None:
    """How values of `tp` are stored where Pydantic knows how to dump them, else None."""
    way = custom_way(tp, where)
    return None if way is None else parts_of_way(tp, way)


def parts_of_way(tp: Any, way: Way) -> Parts:
    """How values of `tp` are stored by `way`."""
    return Any, f"custom {_name(tp)}", (object,), each(way.store), each(way.load)


def annotated(tp: Any, metadata: list[Any]) -> Any:
    """`tp` with `metadata`."""
    made: Any = typing.Annotated
    return made[(tp, *metadata)] if metadata else tp


def _name(tp: Any) -> str:
    while typing.get_origin(tp) is typing.Annotated:
        tp = tp.__origin__
    found: str = getattr(tp, "__qualname__", None) or bare(spelling(tp))
    return found


def dumpable(schema: Any, definitions: dict[str, Any], by_kind: bool, depth: int = 0) -> bool:
    """Whether a core schema says at its outermost levels how its values are dumped.

    `by_kind`: the kind of the innermost one may say it too, as that of a date.
    """
    if depth > 16 or schema is None:
        return False
    if "serialization" in schema:
        return True
    kind = schema["type"]
    if kind == "definitions":
        known = {each["ref"]: each for each in schema["definitions"]}
        return dumpable(schema["schema"], {**definitions, **known}, by_kind, depth + 1)
    if kind == "definition-ref":
        return dumpable(definitions.get(schema["schema_ref"]), definitions, by_kind, depth + 1)
    below: list[Any]
    if kind in _INNER:
        below = [schema["schema"]]
    elif kind == "json-or-python":
        below = [schema["python_schema"], schema["json_schema"]]
    elif kind == "lax-or-strict":
        below = [schema["lax_schema"], schema["strict_schema"]]
    elif kind == "chain":
        below = schema["steps"][-1:]
    elif kind == "union":
        below = [one[0] if isinstance(one, tuple) else one for one in schema["choices"]]
    elif kind == "tagged-union":
        below = list(schema["choices"].values())
    else:
        return by_kind and kind not in _OPAQUE
    return any(dumpable(one, definitions, by_kind, depth + 1) for one in below)


# -- classes given to register_type -----------------------------------------------------------------------------------


def hook_parts(cls: Any, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> Parts:
    """How values of `cls` are stored by `encode` and `decode`.

    Raises:
        UnsupportedTypeError: `cls` is no class, or has a way of its own to be stored.
    """
    if not isinstance(cls, type):
        raise UnsupportedTypeError(f"register_type() takes a class, not {told(cls)}")
    if cls in _BUILTINS or cls in BY_TYPE or cls in ANY or any("_p_state" in base.__dict__ for base in cls.__mro__):
        raise UnsupportedTypeError(f"{cls.__qualname__} has its own way to be stored; register_type() cannot change it")

    def put(value: Any) -> Any:
        if type(value) is not cls:  # a subclass, which may be registered itself: packed with its own name
            return value
        try:
            stored = encode(value)
            back = decode(stored)
        except ParcodeError:
            raise
        except Exception as problem:
            raise EncodeError(
                f"the functions registered for {cls.__qualname__} failed: {problem}", value_type=cls
            ) from problem
        if isinstance(stored, cls):
            raise EncodeError(f"its encode() gives a {cls.__qualname__} again, not what it is made of", value_type=cls)
        same = alike(back, value) or (type(back) is cls and isinstance(back, BaseModel) and back == value)
        if not same and type(back) is cls and has_no_equality(cls):
            same = alike(encode(back), stored)
        if not same:
            raise EncodeError(
                f"the decode() registered for {cls.__qualname__} does not give an equal value back of what its "
                "encode() gives",
                value_type=cls,
            )
        return stored

    def get(stored: Any) -> Any:
        if isinstance(stored, cls):
            return stored
        try:
            return decode(stored)
        except ParcodeError:
            raise
        except Exception as problem:
            raise DecodeError(f"the decode() registered for {cls.__qualname__} failed: {problem}") from problem

    return Any, f"registered {cls.__module__}:{cls.__qualname__}", (cls,), each(put), each(get)

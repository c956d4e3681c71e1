"""Classes without a column: stored as Pydantic dumps them, or by functions of `register_type`."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from ...errors import DecodeError, EncodeError, ParcodeError, UnsupportedTypeError, told, with_article
from ..classes.alike import alike, has_no_equality
from ..classes.convert import BY_TYPE, each
from ..classes.named import ANY, SUBCLASSED, Parts
from ..classes.names import bare, spelling
from ..classes.registry import (
    find_class,
    hook_of,
    is_registered,
    parts_of,
    register,
    register_parts,
    set_hook,
    stored_tag,
)
from .instances import changed, registered
from .table import enter, enter_family, extension
from .values import Packer
from .ways import Way, type_adapter

T = TypeVar("T", bound=type)

# Core schemas that Pydantic does not know how to dump.
_OPAQUE = frozenset({"is-instance", "is-subclass", "callable", "generator", "any", "call", "custom-error"})
_INNER = ("function-after", "function-before", "function-wrap", "default", "nullable")
_BUILTINS = (int, float, bool, str, bytes, bytearray, list, dict, tuple, set, frozenset, type(None))


def custom_parts(tp: Any, where: str) -> Parts | None:
    """How values of `tp` are stored where Pydantic knows how to dump them, else None."""
    try:
        adapter = type_adapter(tp)
        schema: Any = adapter.core_schema
    except Exception:
        return None
    own = not (isinstance(tp, type) and issubclass(tp, SUBCLASSED))
    if not dumpable(schema, {}, own):
        return None
    tools: Any = (adapter.validator, adapter.serializer)
    name = _name(tp)
    way = Way(f"{where}: {name}", lambda: tools)
    return Any, f"custom {name}", (object,), each(way.store), each(way.load)


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


# -- packed ------------------------------------------------------------------------------------------------------------


def _parts_of_class(cls: type) -> Any:
    """How a class given to `register_type`, or registered and dumped by Pydantic, is stored."""
    hook = hook_of(cls)
    if hook is not None or not is_registered(cls):
        return hook
    found = parts_of(cls)
    if found is None and hasattr(cls, "__get_pydantic_core_schema__"):
        found = custom_parts(cls, cls.__qualname__)
        if found is not None:
            register_parts(cls, found)
    return found


def _put(packer: Packer, value: Any) -> Any:
    cls = type(value)
    parts = _parts_of_class(cls)
    if packer.native and parts is not hook_of(cls):
        raise EncodeError("only Pydantic knows how to dump it", value_type=cls)
    return extension("custom", [stored_tag(registered(cls)), packer.lower(parts[3]([value])[0])])


def _get(parts: Any) -> Any:
    tag, value = parts
    found = _parts_of_class(find_class(tag))
    if found is None:
        raise changed(tag)
    return found[4]([value])[0]


enter("custom", _get)
enter_family("registered", hook_of, _put)
enter_family("custom", _parts_of_class, _put)


# -- classes given to register_type -----------------------------------------------------------------------------------


def register_type(cls: T, *, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> T:
    """Let values of `cls`, such as a class of another package, be stored as `encode` says.

        register_type(Version, encode=str, decode=Version.parse)

    Call it before the models that hold such values are defined, in the writing program and in the
    reading one. It counts wherever a value of exactly this class stands: in fields of your models,
    of models and dataclasses of other packages at any depth, in collections, unions and fields of
    type `Any`. `encode(value)` gives anything that a field of type `Any` takes: builtin types, best
    of all. `decode` gives an equal value of the same class back, which is checked whenever one is
    written. Returns `cls`.

    Args:
        cls: the class.
        encode: gives what a value is stored as.
        decode: gives the value back.

    Raises:
        UnsupportedTypeError: `cls` is no class, or one that is always stored in a way of its own: a
            builtin type, a
            `Model`.
        TypeError: `encode` or `decode` cannot be called.
    """
    for what, function in (("encode", encode), ("decode", decode)):
        if not callable(function):
            raise TypeError(f"register_type(): {what} is a function of one argument, not {told(function)}")
    set_hook(cls, _hook_parts(cls, encode, decode))
    return register(cls)


def _hook_parts(cls: Any, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> Parts:
    """How values of `cls` are stored by `encode` and `decode`.

    Raises:
        UnsupportedTypeError: `cls` is no class, or has a way of its own to be stored.
    """
    if not isinstance(cls, type):
        raise UnsupportedTypeError(f"register_type() takes a class, not {told(cls)}")
    if cls in _BUILTINS or cls in BY_TYPE or cls in ANY or any("_p_state" in base.__dict__ for base in cls.__mro__):
        raise UnsupportedTypeError(f"{cls.__qualname__} has its own way to be stored; register_type() cannot change it")

    def put(value: Any) -> Any:
        # A subclass, which may be registered itself: packed with its own name.
        if type(value) is not cls:
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
            raise EncodeError(
                f"its encode() gives {with_article(cls.__qualname__)} again, not what it is made of", value_type=cls
            )
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

    return Any, f"registered {cls.__qualname__}", (cls,), each(put), each(get)

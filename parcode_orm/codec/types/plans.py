"""Struct columns of classes: models, dataclasses, named tuples, typed dictionaries.

A class's column is made before its fields are compiled, so that a class may hold itself. A model
whose forward references are not resolved yet waits in `_pending`. Where a class is refused, what
was compiled with it is forgotten.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import threading
import typing
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any
from weakref import WeakSet, ref

import typing_extensions
from pydantic import BaseModel
from pydantic._internal._model_construction import unpack_lenient_weakvaluedict

from ...errors import UnsupportedTypeError
from ...stack import is_deep, on_fresh_stack
from ..base import Column
from ..classes.names import name_of
from ..classes.registry import register
from ..columns.containers import MapColumn
from ..columns.fallback import FallbackColumn
from ..columns.lenient import LenientColumn, is_atomic
from ..columns.packed import PackedColumn
from ..columns.privates import LooseColumn, PrivateColumn
from ..columns.struct import StructColumn
from ..columns.text import TextColumn
from ..packed.ways import of_type
from ..structs import StructPlan
from ..undo import all_or_nothing, note
from ..upgrades import about_version
from .compiled import CACHE, CompiledStruct, below, cached, entries_of, keep, refuse_bare
from .field_ways import FieldWays
from .marks import find_mark
from .records import complete_dataclass, complete_named_tuple, complete_typed_dict, know_defaults
from .typeforms import BUILDING, Compiler, Scope, evaluated, substitute, variables_of

_NOTHING: dict[Any, Any] = {}
_lock = threading.RLock()
_elsewhere = threading.local()  # `locked`: the thread that waits for this one holds the lock
_pending: list[ref[type[BaseModel]]] = []
_started: list[CompiledStruct] = []  # and their columns
# Whose `problem` was found when other columns had them already.
_refused: WeakSet[CompiledStruct] = WeakSet()


def struct_for(compiler: Compiler, cls: Any) -> StructColumn:
    """The column of a class, or of a generic class with its arguments; made once a class.

    Raises:
        UnsupportedTypeError: a field's type cannot be stored.
    """
    known = getattr(cls, "__dict__", _NOTHING).get(CACHE, _NOTHING).get(())
    if known is not None and not _pending and known[0] is cls.__dict__.get("__pydantic_fields__"):
        column: StructColumn = known[1]
        if column.plan.cls is cls:
            return column
    with _locked():
        found = _compile(cls, Scope(getattr(cls, "__name__", str(cls)), "", compiler))
        if _pending:
            complete_waiting()
        _check_refused(found)
    return found


def is_struct_class(cls: Any) -> bool:
    """Whether `cls` is stored field by field."""
    if not isinstance(cls, type):
        return False
    return (
        issubclass(cls, BaseModel)
        or dataclasses.is_dataclass(cls)
        or is_named_tuple(cls)
        or typing_extensions.is_typeddict(cls)
    )


def is_named_tuple(cls: type) -> bool:
    """Whether `cls` was made by `NamedTuple` or `namedtuple`."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def model_column(tp: Any, scope: Scope) -> Column:
    """The column for a struct class `tp` that stands in a field.

    A model's own validators may have made values of other types in it: an object that its columns
    do not take is stored as it is dumped, by itself.
    """
    tp = substitute(tp, scope)
    column = _compile(tp, scope)
    decorators = getattr(column.plan.cls, "__pydantic_decorators__", None)
    if column.plan.kind == "plain" and decorators is not None and _settles(decorators):
        return LenientColumn(column, of_type(tp, f"{scope.place}: {column.plan.name}"))
    return column


def _settles(decorators: Any) -> bool:
    """Whether model validators run after the fields are validated, and may set them anew."""
    return any(each.info.mode != "before" for each in decorators.model_validators.values())


def _compile(tp: Any, scope: Scope) -> StructColumn:
    with _locked():
        found = cached(tp)
        if found is not None:
            return found
        cls = typing.get_origin(tp) or tp
        args = typing.get_args(tp)
        known = entries_of(cls).get(args)
        if known is not None and not known[1].complete and known[1].problem is None:
            # Pydantic has rebuilt the class since; other columns refer to this one.
            column = known[1]
        else:
            name = name_of(cls, args)
            compiler = scope.compiler
            assert compiler is not None
            exact = dict if typing_extensions.is_typeddict(cls) else None
            column = CompiledStruct(StructPlan(cls, name, [], "plain", exact=exact), compiler)
            column.plan.ways = FieldWays(tp, name)
        with all_or_nothing():
            keep(cls, args, column)
            if column not in _started:
                if is_deep():  # each class in another one takes a dozen frames
                    on_fresh_stack(partial(_begin_elsewhere, column, tp, cls, scope))
                else:
                    _begin(column, tp, cls, scope)
        return column


def _locked() -> AbstractContextManager[Any]:
    return nullcontext() if getattr(_elsewhere, "locked", False) else _lock


def _begin_elsewhere(column: CompiledStruct, tp: Any, cls: Any, scope: Scope) -> None:
    _elsewhere.locked = True
    _begin(column, tp, cls, scope)


def _begin(column: CompiledStruct, tp: Any, cls: Any, scope: Scope) -> None:
    note(column.reset)
    BUILDING.append(cls)
    _started.append(column)
    try:
        _complete(column, tp, cls, column.plan.name, scope)
    finally:
        BUILDING.pop()
        _started.pop()
    keep(cls, typing.get_args(tp), column)
    register(cls)


def _complete(column: CompiledStruct, tp: Any, cls: Any, name: str, scope: Scope) -> None:
    if issubclass(cls, BaseModel):
        if cls is not BaseModel and not _fields_complete(cls):
            column.plan.kind = _kind(cls)
            _wait(cls)
            return
        _complete_model(column, cls)
        if cls is BaseModel:
            column.plan.extract = refuse_bare
        return
    inner = scope.within(owner=name, variables=variables_of(tp, scope), aliases=(), marked=False, enum_values=False)
    if typing_extensions.is_typeddict(cls):
        complete_typed_dict(column, cls, inner)
    elif is_named_tuple(cls):
        complete_named_tuple(column, cls, inner)
    else:
        complete_dataclass(column, cls, inner)
    column.plan.about = about_version(cls)
    column.finish()


# -- models ---------------------------------------------------------------------------------------------------------


def _kind(cls: type) -> str:
    return "model" if any("_p_state" in base.__dict__ for base in cls.__mro__) else "plain"


def _fields_complete(cls: type[BaseModel]) -> bool:
    """Whether all annotations are resolved, after trying to with the classes being compiled."""
    if cls.__pydantic_fields_complete__:
        return True
    if cls in BUILDING[:-1]:
        return False
    names = {each.__name__: each for each in BUILDING}
    parent = unpack_lenient_weakvaluedict(cls.__pydantic_parent_namespace__) or {}
    try:
        cls.model_rebuild(force=True, raise_errors=False, _types_namespace={**parent, **names})
    except UnsupportedTypeError:
        raise
    except Exception:  # names that are still to come
        return False
    return cls.__pydantic_fields_complete__


def _wait(cls: type[BaseModel]) -> None:
    if all(waiting() is not cls for waiting in _pending):
        _pending.append(ref(cls))


def complete_waiting() -> None:
    """Complete the models that wait for a name. The columns of refused ones say why."""
    with _locked():
        if BUILDING:
            return
        waiting, _pending[:] = list(_pending), []
        for reference in waiting:
            cls = reference()
            known = None if cls is None else entries_of(cls).get(())
            if known is not None and not known[1].complete:
                _try_again(cls, known[1])


def _try_again(cls: Any, column: CompiledStruct) -> None:
    try:
        with all_or_nothing():
            _begin(column, cls, cls, Scope(cls.__name__, "", column.compiler))
    except UnsupportedTypeError as problem:
        column.problem = str(problem)
        _refused.add(column)


def _check_refused(column: StructColumn) -> None:
    """Raise where a class in `column` was refused after it had been compiled into others."""
    if _refused:
        for each in below(column):
            if each.problem is not None:
                raise UnsupportedTypeError(each.problem)


def _complete_model(column: CompiledStruct, cls: Any) -> None:
    plan = column.plan
    plan.kind = _kind(cls)
    parent = unpack_lenient_weakvaluedict(cls.__pydantic_parent_namespace__) or {}
    options = {
        "enum_values": bool(cls.model_config.get("use_enum_values")),
        "open": cls.model_config.get("extra") == "allow",
        "names": parent,
    }
    fields = getattr(cls, "__pydantic_fields__", {})
    know_defaults(info.default for info in fields.values())
    column.fields = [(name, _field_column(column, name, info, options)) for name, info in fields.items()]
    plan.about = {**_key_of(fields), **about_version(cls)}
    privates = _privates(column.compiler, cls, options)
    plan.private = PrivateColumn(plan.name, privates) if privates else None
    if cls.model_config.get("extra") == "allow":
        plan.extra = MapColumn(TextColumn(), _extra_column(column.compiler, cls, options))
    column.finish()


def _key_of(fields: dict[str, Any]) -> dict[str, Any]:
    """What the schema says of the key of entities."""
    marks = {name: mark for name, info in fields.items() for mark in info.metadata if getattr(mark, "is_key", False)}
    if not marks:
        return {}
    return {"key": list(marks), **({"auto": True} if any(mark.auto for mark in marks.values()) else {})}


def _field_column(column: CompiledStruct, name: str, info: Any, options: dict[str, Any]) -> Column:
    """The column of a model's field; validators of the class may change its values' types."""
    cls: Any = column.plan.cls
    ways = column.plan.ways
    decorators = cls.__pydantic_decorators__
    fields = {field for each in decorators.field_validators.values() for field in each.info.fields}
    way = ways.way(name) if fields & {name, "*"} else None
    try:
        found = column.compiler.column_for(
            info.annotation, cls.__name__, name, info.metadata, cls.model_config, way, info.default, **options
        )
    except UnsupportedTypeError:
        if way is None or find_mark(info.metadata) or not ways.says(name):
            raise
        return FallbackColumn(PackedColumn(), way, f"custom {name}")
    if is_atomic(found) and _settles(decorators):
        return LenientColumn(found, ways.way(name))
    return found


def _privates(compiler: Compiler, cls: Any, options: dict[str, Any]) -> list[tuple[str, Column]]:
    """Columns of the private attributes, a `LooseColumn` without a usable annotation."""
    names = getattr(cls, "__private_attributes__", None)
    if not names:
        return []
    found = []
    for name, private in names.items():
        if hasattr(private, "__get__"):
            continue
        annotation = _annotation(cls, name, options["names"])
        column: Column = LooseColumn()
        if annotation is not None:
            with suppress(UnsupportedTypeError):
                column = compiler.column_for(annotation, cls.__name__, name, (), **options)
        found.append((name, column))
    return found


def _annotation(cls: type, name: str, names: dict[str, Any]) -> Any:
    """The evaluated annotation of `name` in `cls` or a base, or None."""
    for base in cls.__mro__:
        own = inspect.get_annotations(base)
        if name in own:
            module = vars(sys.modules.get(base.__module__, typing))
            try:
                found = evaluated(own[name], {**module, **names, cls.__name__: cls})
            except Exception:  # what is no annotation at all
                return None
            return None if isinstance(found, str | typing.ForwardRef) else found
    return None


def _extra_column(compiler: Compiler, cls: type, options: dict[str, Any]) -> Column:
    """The column of extra values, typed if `__pydantic_extra__: dict[str, T]` is annotated."""
    for base in cls.__mro__[:-1]:
        if base is BaseModel:
            break
        if "__pydantic_extra__" in inspect.get_annotations(base):
            args = typing.get_args(_annotation(base, "__pydantic_extra__", options["names"]))
            if len(args) == 2:
                return compiler.column_for(args[1], cls.__name__, "__pydantic_extra__", (), **options)
            break
    return PackedColumn()

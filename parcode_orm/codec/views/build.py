"""Plain objects in bulk, without validation: their dictionaries, then their slots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from parcode_orm.native import compiled

from .. import kernels
from ..attributes import put_others
from ..packed.extensions import LEFT_OUT
from ..slots import SLOTS, hidden, put_slot
from ..structs import Struct

_SHARED = 30  # keys that the objects of a class share at most, in CPython
_MANY = 64  # rows from which on a shared dictionary pays
_set_dict: Callable[[Any, Any], None] = BaseModel.__dict__["__dict__"].__set__


@compiled
def build_models(
    cls: type,
    empty: dict[str, None],
    columns: tuple[list[Any], ...],
    slots: tuple[tuple[Any, Any], ...],
    count: int,
) -> list[Any]:
    """`count` objects of a class of models.

    Their dictionaries are copies of `empty` with the values of `columns`, a list for each of its
    keys. `slots` are pairs of a slot's descriptor and a list of values, or one value for all.
    """
    for column in columns:
        if len(column) != count:
            raise ValueError(f"{len(column)} values of a field where {count} belong")
    objects: list[Any] = list(map(object.__new__, repeat(cls, count)))
    dicts = kernels.dict_builder(tuple(empty))(*columns) if empty else [{} for _ in objects]
    kernels.drain(map(_set_dict, objects, dicts))
    for slot, value in slots:
        kernels.drain(map(slot.__set__, objects, value if isinstance(value, list) else repeat(value)))
    return objects


def empty_row(names: tuple[str, ...]) -> dict[str, None]:
    """A dictionary of `names`, all None. Copies share its keys and have room for values alone.

    It is the dictionary of an object, since only those share keys, of a class that nobody else has. A class plans for
    `_SHARED` keys at first, and for one fewer with each object until there is room for those that its objects have.
    """
    if len(names) >= _SHARED:
        return dict.fromkeys(names)
    cls = type("Row", (), {})
    row: dict[str, None] = vars(cls())
    row.update(zip(names, repeat(None)))
    for _ in range(_SHARED):
        cls()
    row = vars(cls())
    row.update(zip(names, repeat(None)))
    return row


class FullSet(set[str]):
    """The `model_fields_set` that all objects with every field set share.

    `Model.model_fields_set` gives its object a set of its own before it hands one out.
    """

    __slots__ = ()

    def __reduce__(self) -> Any:
        return set, (list(self),)


class Builder:
    """Builds the objects of one struct column."""

    __slots__ = (
        "cls",
        "names",
        "_empty",
        "full",
        "pydantic",
        "extras",
        "privates",
        "storable",
        "all_storable",
        "shares",
        "others",
        "_setters",
        "_hides",
        "_build",
    )

    def __init__(self, column: Struct) -> None:
        plan = column.plan
        cls: Any = plan.cls
        self.cls = cls
        self.names = tuple(name for name, _ in plan.fields)
        self._empty: dict[str, None] | None = None
        self.full = FullSet(self.names)
        self.shares = column.plan.kind == "model"
        self.pydantic = column.pydantic and plan.build is None
        self.extras = self.pydantic and cls.model_config.get("extra") == "allow"
        self.others = plan.others is not None
        self.privates = self.pydantic and bool(cls.__private_attributes__)
        self.storable = [name for name, _ in plan.privates]
        self.all_storable = (
            self.privates
            and len(self.storable) == len(cls.__private_attributes__)
            and not any(getattr(column, "leaves_out", False) for _, column in plan.privates)
        )
        self._setters = _setters(cls) if self.pydantic else []
        self._hides = self.pydantic and bool(hidden(cls))
        self._build = plan.build

    def dicts(self, columns: Sequence[list[Any]], count: int) -> list[dict[str, Any]]:
        """One dictionary a row from one list a field."""
        return kernels.dict_builder(self.names)(*columns) if self.names else [{} for _ in range(count)]

    def rows(
        self,
        columns: Sequence[list[Any]],
        count: int,
        sets: list[set[str]] | None,
        extras: list[dict[str, Any] | None] | None,
        privates: list[dict[str, Any]] | None,
        left_out: bool,
    ) -> list[Any]:
        """The objects of `count` rows that lack no field, from one list a field; else as `objects`."""
        stored = not self.privates or (self.all_storable and privates is not None and not left_out)
        if not self.pydantic or self._hides or not stored:
            return self.objects(self.dicts(columns, count), sets, extras, privates, left_out)
        slots = (
            (SLOTS["__pydantic_fields_set__"], self._sets(sets, count)),
            (SLOTS["__pydantic_extra__"], self._extras(extras, count)),
            (SLOTS["__pydantic_private__"], privates if self.privates else None),
        )
        empty = self._empty
        if empty is None:
            empty = dict.fromkeys(self.names)
            if count >= _MANY:
                empty = self._empty = empty_row(self.names)
        return build_models(self.cls, empty, tuple(columns), slots, count)

    def _sets(self, sets: list[set[str]] | None, count: int) -> list[set[str]] | FullSet:
        """The names of the fields that were set, for each object or for all."""
        if sets is not None:
            return sets
        if self.shares and not self.extras:
            return self.full
        return list(map(set, repeat(self.full, count)))

    def _extras(self, extras: list[dict[str, Any] | None] | None, count: int) -> list[dict[str, Any] | None] | None:
        """What the objects hold beyond their fields, for each or for all."""
        if not self.extras:
            return extras or None
        return [extra or {} for extra in extras] if extras else [{} for _ in range(count)]

    def objects(
        self,
        dicts: list[dict[str, Any]],
        sets: list[set[str]] | None,
        extras: list[dict[str, Any] | None] | None,
        privates: list[dict[str, Any]] | None,
        left_out: bool = True,
    ) -> list[Any]:
        """The objects of `dicts`; `sets` None says that every field of every row was set.

        `left_out`: private attributes may be missing in `privates` because their values could not
        be stored.
        """
        if self._build is not None:
            made = self._build(dicts)
            if extras and self.others:
                kernels.drain(map(_put_items if type(made[0]) is dict else put_others, made, extras))
            return made
        if not self.pydantic:
            return list(map(self._plain, dicts))
        objects = list(map(object.__new__, repeat(self.cls, len(dicts))))
        run = kernels.drain
        run(map(_set_dict, objects, dicts))
        _set_set, _set_extra, _set_private = self._setters
        run(map(_set_set, objects, _each(self._sets(sets, len(dicts)))))
        run(map(_set_extra, objects, _each(self._extras(extras, len(dicts)))))
        if not self.privates:
            run(map(_set_private, objects, repeat(None)))
        elif self.all_storable and privates is not None and not left_out:
            run(map(_set_private, objects, privates))
        else:
            stored: Iterable[Any] = privates if privates is not None else repeat(None)
            found = map(private_values, repeat(self.cls), stored, repeat(self.storable), dicts)
            run(map(_set_private, objects, found))
        return objects

    def one(self, values: dict[str, Any], names_set: set[str], extra: dict[str, Any] | None) -> Any:
        """One object of a Pydantic class."""
        if self._build is not None or self.privates:
            return self.objects([values], [names_set], [extra], None)[0]
        made = object.__new__(self.cls)
        _set_dict(made, values)
        _set_set, _set_extra, _set_private = self._setters
        _set_set(made, names_set)
        _set_extra(made, (extra or {}) if self.extras else None)
        _set_private(made, None)
        return made

    def _plain(self, values: dict[str, Any]) -> Any:
        made = object.__new__(self.cls)
        made.__dict__.update(values)
        return made


def _each(values: Any) -> Iterable[Any]:
    return values if isinstance(values, list) else repeat(values)


def _put_items(value: dict[str, Any], others: dict[str, Any] | None) -> None:
    """Set the items of an open `TypedDict` that its class does not declare."""
    value.update(others or {})


def _setters(cls: Any) -> list[Callable[[Any, Any], None]]:
    """What sets each of a model's slots."""
    shadows = hidden(cls)
    return [slot.__set__ if name not in shadows else partial(put_slot, name) for name, slot in SLOTS.items()]


def private_values(
    cls: Any, stored: dict[str, Any] | None, storable: Iterable[str], fields: dict[str, Any]
) -> dict[str, Any]:
    """What `__pydantic_private__` becomes: stored values, and defaults for what cannot be stored.

    An attribute that can be stored and is not in `stored` was not set, and stays so; one whose
    value could not be stored gets its default. `stored` None says that none was written. `fields`
    is the instance's dictionary, for default factories that take it.
    """
    found: dict[str, Any] = {}
    unset = frozenset(storable) if stored is not None else frozenset()
    for name, info in cls.__private_attributes__.items():
        value = stored.get(name, PydanticUndefined) if stored else PydanticUndefined
        if value is not LEFT_OUT and value is not PydanticUndefined:
            found[name] = value
        elif (value is LEFT_OUT or name not in unset) and not hasattr(info, "__get__"):
            given = {**fields, **found} if info.default_factory_takes_validated_data else None
            default = info.get_default(call_default_factory=True, validated_data=given)
            if default is not PydanticUndefined:
                found[name] = default
    return found

"""Plain objects in bulk, without validation: dictionaries by a generated comprehension, then slots over whole lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from .. import kernels
from ..attributes import put_others
from ..columns.privates import LooseColumn
from ..packed.extensions import LEFT_OUT
from ..slots import SLOTS, hidden, put_slot

if TYPE_CHECKING:
    from ..columns.struct import StructColumn

_set_dict: Callable[[Any, Any], None] = BaseModel.__dict__["__dict__"].__set__


class FullSet(set[str]):
    """The `model_fields_set` of objects whose every field was set, shared by all that a column builds.

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
        "full",
        "pydantic",
        "extras",
        "privates",
        "storable",
        "all_storable",
        "shares",
        "others",
        "_setters",
        "_dicts",
        "_build",
    )

    def __init__(self, column: StructColumn) -> None:
        plan = column.plan
        cls: Any = plan.cls
        self.cls = cls
        self.names = [name for name, _ in plan.fields]
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
            and not any(isinstance(column, LooseColumn) for _, column in plan.privates)
        )
        self._setters = _setters(cls) if self.pydantic else []
        self._dicts = kernels.dict_builder(self.names) if self.names else None
        self._build = plan.build

    def dicts(self, columns: Sequence[list[Any]], count: int) -> list[dict[str, Any]]:
        """One dictionary a row from one list a field."""
        return self._dicts(*columns) if self._dicts is not None else [{} for _ in range(count)]

    def objects(
        self,
        dicts: list[dict[str, Any]],
        sets: list[set[str]] | None,
        extras: list[dict[str, Any] | None] | None,
        privates: list[dict[str, Any]] | None,
        left_out: bool = True,
    ) -> list[Any]:
        """The objects of `dicts`; `sets` None says that every field of every row was set.

        `left_out`: private attributes may be missing in `privates` because their values could not be stored.
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
        if sets is None and self.shares and not self.extras:
            run(map(_set_set, objects, repeat(self.full)))
        else:
            run(map(_set_set, objects, sets if sets is not None else map(set, repeat(self.full, len(dicts)))))
        if self.extras:
            run(map(_set_extra, objects, [extra or {} for extra in extras] if extras else ({} for _ in dicts)))
        else:
            run(map(_set_extra, objects, extras or repeat(None)))
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

    An attribute that can be stored and is not in `stored` was not set, and stays so; one whose value could not be
    stored gets its default. `stored` None says that none was written. `fields` is the instance's dictionary, for
    default factories that take it.
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

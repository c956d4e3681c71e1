"""A class inferred from rows: the types of their fields, and which of them may be missing."""

from __future__ import annotations

import datetime
import json
import re
import warnings
from collections.abc import Iterable
from types import GenericAlias
from typing import Any

from pydantic import ConfigDict

from ..codec.aliases import union_of
from ..errors import SchemaError, told
from ..model import Key, Model

FIELDS = 256  # of a nested object; one with more, or with other names than those of fields, is a dictionary
EXACT = 1 << 53  # integers that a float holds
DEEP = 50  # lists and objects in each other


class _Guess:
    """What was seen at one place of the rows."""

    def __init__(self, deep: int = 0) -> None:
        self.deep = deep  # the lists and objects around it
        self.types: set[type] = set()
        self.items: list[_Guess] = []  # one, once a list was seen
        self.fields: dict[str, _Guess] = {}
        self.objects = 0
        self.nulls = False
        self.exact = True  # whether all ints are floats as well

    def add(self, value: Any) -> None:
        """Note a value.

        Raises:
            SchemaError: it has too many lists and objects in each other for a type.
        """
        tp = type(value)
        if self.deep > DEEP:
            raise SchemaError(
                f"a row has more than {DEEP} lists and objects in each other: import into a model, which may have "
                "Any there"
            )
        if value is None:
            self.nulls = True
        elif tp is list:
            self.items = self.items or [_Guess(self.deep + 1)]
            for each in value:
                self.items[0].add(each)
        elif tp is dict:
            self._object(value)
        else:
            self.types.add(tp)
            if tp is int and abs(value) > EXACT:
                self.exact = False

    def _object(self, value: dict[Any, Any]) -> None:
        for missing in self.fields.keys() - value.keys():
            self.fields[missing].nulls = True
        for name, each in value.items():
            guess = self.fields.get(name)
            if guess is None:
                guess = self.fields[name] = _Guess(self.deep + 1)
                guess.nulls = self.objects > 0
            guess.add(each)
        self.objects += 1

    def annotation(self, name: str) -> Any:
        """The type of what was seen; `name` is for the class of objects."""
        types = set(self.types)
        if types >= {int, float} and self.exact:
            types.discard(int)
        arms: list[Any] = sorted(types, key=lambda tp: _ORDER.get(tp, tp.__name__))
        for items in self.items:
            arms.append(GenericAlias(list, (items.annotation(f"{name}_item"),)))
        if self.objects:
            arms.append(self._of_objects(name))
        if self.nulls or not arms:
            arms.append(None)
        return union_of(arms)

    def _of_objects(self, name: str) -> Any:
        if len(self.fields) <= FIELDS and all(map(_is_field, self.fields)):
            return class_of(name, self)
        every = _Guess()  # nulls of fields that are missing count, too: a dictionary does not know them apart
        for guess in self.fields.values():
            every.join(guess)
        return GenericAlias(dict, (str, every.annotation(f"{name}_value")))

    def join(self, other: _Guess) -> None:
        """Note all that `other` has seen."""
        self.types |= other.types
        self.exact = self.exact and other.exact
        self.nulls = self.nulls or other.nulls
        for items in other.items:
            self.items = self.items or [_Guess()]
            self.items[0].join(items)
        for name, guess in other.fields.items():
            self.fields.setdefault(name, _Guess()).join(guess)
        self.objects += other.objects


_ORDER = {bool: "0", int: "1", float: "2"}
_FIELD = re.compile(r"[^\W_]\w*")


def _is_field(name: Any) -> bool:
    """Whether a class can have a field of this name. Pydantic takes `model_config` for its settings."""
    return isinstance(name, str) and _FIELD.fullmatch(name) is not None and name != "model_config"


def class_of(name: str, guess: _Guess, key: str | None = None) -> Any:
    """The class of the objects that were seen."""
    annotations: dict[str, Any] = {}
    namespace: dict[str, Any] = {}
    for field, each in guess.fields.items():
        annotations[field] = each.annotation(f"{name}_{field}")
        if field == key:
            namespace[field] = Key()
        elif each.nulls:
            namespace[field] = None
    if key is not None and key not in annotations:
        annotations = {key: int, **annotations}
        namespace[key] = Key(default=None, auto=True)
    namespace |= {"__module__": __name__, "__qualname__": name, "__annotations__": annotations}
    namespace["model_config"] = ConfigDict(protected_namespaces=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a field named as a method of models
        made: Any = type(Model)
        return made(name, (Model,), namespace)


def inferred(name: str, rows: Iterable[dict[str, Any]], key: str | None) -> Any:
    """An entity class for rows.

    Args:
        name: its name.
        rows: all of them: one field with another type in the last row changes the class.
        key: the field that is the key. Without it the field `id` is; if there is none, the file numbers the rows.

    Raises:
        SchemaError: the name, or the name of a field, cannot be one of a class; the key is no field, or misses a
            value; a row has too many lists and objects in each other.
    """
    guess = _Guess()
    for row in rows:
        guess.add(row)
    wrong = [each for each in guess.fields if not _is_field(each)]
    if wrong:
        raise SchemaError(
            f"{told(wrong[0])} cannot be the name of a field: rename the column, or import into a model "
            "that has it as an alias"
        )
    if not name.isidentifier():
        raise SchemaError(f"{told(name)} cannot be the name of a class: give another with --name")
    if key is not None and key not in guess.fields:
        raise SchemaError(f"no row has the key {told(key)}: the fields are {', '.join(guess.fields) or 'none'}")
    key = key or "id"
    if key in guess.fields and guess.fields[key].nulls:
        raise SchemaError(f"some rows have no {key}, which is the key: name another field with --key")
    return class_of(name, guess, key)


_INT = re.compile(r"-?(0|[1-9]\d{0,18})")
_FLOAT = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?|-?(nan|inf)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[-+]\d\d:\d\d)?")


def typed(cell: str) -> Any:
    """The value that a cell of CSV seems to have: an empty one None; a list or an object as JSON; `007` a text."""
    if cell == "":
        return None
    if cell[0] in "[{":
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    if _INT.fullmatch(cell):
        return int(cell)
    if _FLOAT.fullmatch(cell) and not re.match(r"-?0\d", cell):
        return float(cell)
    if cell in ("true", "false", "True", "False"):
        return cell in ("true", "True")
    try:
        if _DATE.fullmatch(cell):
            return datetime.date.fromisoformat(cell)
        if _MOMENT.fullmatch(cell):
            return datetime.datetime.fromisoformat(cell)
    except ValueError:
        pass
    return cell

"""One row while operations change it, and what an operation knows while it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..codec.base import is_lazy_collection
from ..codec.types.marks import Mark
from ..errors import MigrationError, called
from ..lazy.map import LazyMap
from ..query.columns.operators import keyed
from .convert import converter, item_converter
from .history import History
from .state import Field, ProjectState, same_type
from .types import Named, replaced

STREAMED = 256  # items of a stored collection that are not held in memory together


@dataclass(frozen=True)
class Step:
    """One operation, and the states before and after it, in the order of time.

    `target` are the classes that rows become, and `name` gives the names there of classes at this point.
    """

    before: ProjectState
    after: ProjectState
    target: History
    name: Callable[[str], str]

    def is_a(self, name: str, base: str) -> bool:
        """Whether, before the operation, there is a class `name` that is `base` or below it."""
        return name in self.before.models and self.before.is_a(name, base)

    def annotation(self, field: Field) -> Any:
        """The type of a field, of the classes that rows become."""
        return replaced(field.type, lambda name: self.target.classes[self.name(name)])

    def default(self, where: str, field: Field) -> Any:
        """A new default."""
        here = dataclasses.replace(field, type=replaced(field.type, self._named))
        return self.target.default(where, here)

    def _named(self, name: str) -> Any:
        return Named(self.name(name))


class Row:
    """The values of an object by field, while they change. `given` are the fields that were set."""

    def __init__(self, where: str, values: dict[str, Any], given: set[str], extra: dict[str, Any] | None) -> None:
        self.where = where
        self.values = values
        self.given = given
        self.extra = extra

    def add(self, name: str, default: Any) -> None:
        """Add a field; a stored extra value of its name is its value."""
        if self.extra is not None and name in self.extra:
            self.values[name] = self.extra.pop(name)
            self.given.add(name)
        else:
            self.values[name] = default

    def remove(self, name: str) -> None:
        """Take a field away; where extra values are allowed, it becomes one."""
        if name in self.values:
            value = self.values.pop(name)
            if self.extra is not None:
                self.extra[name] = plain(value)
        self.given.discard(name)

    def rename(self, old: str, new: str) -> None:
        """Give a field another name."""
        if old in self.values:
            self.values[new] = self.values.pop(old)
        if old in self.given:
            self.given.discard(old)
            self.given.add(new)

    def convert(
        self, name: str, old: Field, new: Field, step: Step, function: Callable[[Any], Any] | None, way: str
    ) -> None:
        """Give a field a value of another type. `way`: what an operation calls the function."""
        if name not in self.values:
            return
        value, where = self.values[name], f"{self.where}.{name}"
        if function is not None:
            self.values[name] = function(plain(value))
        elif not same_type(old.type, new.type):
            annotation = step.annotation(new)
            items = item_converter(annotation, where, way)
            streamable = isinstance(value, Streamed) or (is_lazy_collection(value) and len(value) > STREAMED)
            if streamable and items is not None and isinstance(new.mark, Mark) and _fits(value, annotation):
                self.values[name] = Streamed(value, lambda item: items(keyed(item)))
            else:
                self.values[name] = converter(annotation, where, way)(keyed(plain(value)))

    def run(self, function: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let code of the project change the values."""
        before = dict(self.values)
        values: Any = function(dict(before))
        if not isinstance(values, dict):
            name = getattr(function, "__name__", "the function")
            raise MigrationError(f"{name} returned {called(values)}: it returns the dictionary of the row's values")
        self.values = values
        self.given |= {name for name, value in values.items() if name not in before or before[name] is not value}


class Streamed:
    """Items of a stored list, or pairs of a stored dictionary, converted as they are read, as often as they are."""

    def __init__(self, source: Any, convert: Callable[[Any], Any], watch: Callable[[Any], Any] = iter) -> None:
        self.is_map: bool = source.is_map if isinstance(source, Streamed) else isinstance(source, LazyMap)
        self._source = source
        self._convert = convert
        self._watch = watch

    def __iter__(self) -> Iterator[Any]:
        items = self._source.items() if isinstance(self._source, LazyMap) else self._source
        return map(self._convert, self._watch(iter(items)))

    def load(self) -> Any:
        """All of them."""
        return dict(self) if self.is_map else list(self)


def _fits(value: Any, annotation: Any) -> bool:
    is_map = value.is_map if isinstance(value, Streamed) else isinstance(value, LazyMap)
    return bool(is_map == (getattr(annotation, "__origin__", None) is dict))


def plain(value: Any) -> Any:
    """A value that does not read a file."""
    return value.load() if isinstance(value, Streamed) or is_lazy_collection(value) else value

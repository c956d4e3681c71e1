"""What the code of a class gets of an older object, and what is made of its result.

A marked field is not read before the code takes it. What the code leaves is read as if there were no code, so lazy
collections stay lazy. What it changed is validated by the field.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pydantic

from ...errors import ParcodeError, SchemaMismatchError, told
from ...format.chunk import Chunk
from ..asis import UNREADABLE
from ..base import ATOMS
from ..classes.alike import alike
from ..structs import EXTRA, SETS, Struct
from ..upgrades import Step
from .defaults import NoDefault, default_of
from .rows import Make


class Failed(Exception):
    """Code of the user's failed, or its result is none; the text says why."""


_NOTHING = object()


class Unread:
    """The value of a stored field that the code has not taken: `load` gives the stored value, `kept` today's value.

    `was` is the last one loaded.
    """

    __slots__ = ("_load", "kept", "name", "was")

    def __init__(self, name: str, load: Make, kept: Make) -> None:
        self.name = name
        self.kept = kept
        self.was: Any = _NOTHING
        self._load = load

    def load(self) -> Any:
        """The value as it was stored, made anew."""
        self.was = self._load()
        return self.was

    def is_stored(self, value: Any) -> bool:
        """Whether `value` is what was stored. A list that was loaded may have changed in place."""
        if value is self or (value is self.was and type(value) in ATOMS):
            return True
        try:
            return alike(value, self._load())
        except ParcodeError:  # it cannot be read, and the code gives another
            return False

    def __repr__(self) -> str:
        return f"<not read yet: take {self.name!r} from the dictionary that the function gets>"


class Given(dict[str, Any]):
    """The fields of an object. One that is `Unread` is read when it is taken out. A copy does not read it."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if type(value) is Unread:
            self[name] = value = value.load()
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """As for a dict; a value that is `Unread` is read."""
        return self[name] if name in self else default

    def pop(self, name: str, *default: Any) -> Any:
        """As for a dict; a value that is `Unread` is read."""
        value = super().pop(name, *default)
        return value.load() if type(value) is Unread else value

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As for a dict; a value that is `Unread` is read."""
        super().setdefault(name, default)
        return self[name]

    def popitem(self) -> tuple[str, Any]:
        """As for a dict; a value that is `Unread` is read."""
        name = next(reversed(self), "")
        return name, self.pop(name)

    def items(self) -> Any:
        """As for a dict; all values are read."""
        self._read_all()
        return super().items()

    def values(self) -> Any:
        """As for a dict; all values are read."""
        self._read_all()
        return super().values()

    def _read_all(self) -> None:
        for name in self:
            self[name]

    def raw(self) -> Iterator[tuple[str, Any]]:
        """The fields; a value that the code has not taken is `Unread`."""
        return iter(super().items())


class Code(NamedTuple):
    """The functions that lead from `version` of the class `model` to today's."""

    model: str
    version: int
    steps: list[Step]

    def run(self, fields: dict[str, Any], lazily: Container[str] = ()) -> Given:
        """The fields of an object as the last function gives them. Those named in `lazily` are read if they are taken.

        Raises:
            Failed: a function raised an exception, or returned no dictionary.
        """
        given = Given(fields)
        for name in fields:
            if name not in lazily:
                with suppress(*UNREADABLE):  # unless the code takes it
                    given[name]
        for version, step in enumerate(self.steps, self.version):
            where = f"{step.__name__}, its @upgrade(from_version={version}),"
            try:
                found: Any = step(given)
            except ParcodeError:
                raise
            except Exception as problem:  # of the user's code
                raise Failed(f"{where} raised {problem!r}") from problem
            if not isinstance(found, dict):
                raise Failed(f"{where} returned {told(found)}, and no dictionary of fields")
            given = found if type(found) is Given else Given(found)
        return given

    def error(self, problem: object, chunk: Chunk | None, row: int) -> SchemaMismatchError:
        """The error for an object that the code does not upgrade."""
        where = "in the file"
        if chunk is not None:
            path, offset = chunk.where
            where = f"row {row} of the chunk at byte {offset} of {path or 'the file'}"
        return SchemaMismatchError(
            f"{self.model}: an object of version {self.version}, {where}, is not upgraded, as {problem}: correct the "
            f"code, put another object in its place, or write a migration with the operation RunPython(..., "
            f"model={self.model!r})"
        )


class Target:
    """Today's class. `names` has the earlier names of its fields, the newest name first.

    `fixed` are the fields that are keys or have indexes.
    """

    def __init__(self, today: Struct, names: dict[str, tuple[str, ...]], fixed: Collection[str]) -> None:
        self._today = today
        self._sources = {name: (name, *names.get(name, ())) for name in today.places}
        self.field_of = {old: name for name, olds in reversed(self._sources.items()) for old in olds[1:]}
        self.field_of |= {name: name for name in today.places}
        self._fixed = fixed
        self._defaults: dict[str, Callable[[], Any] | NoDefault] = {}
        for name in today.places:
            try:
                self._defaults[name] = default_of(today.plan.cls, name)
            except NoDefault as problem:
                self._defaults[name] = problem

    def values(self, stored: dict[str, Any], result: Given, was_set: Collection[str] | None) -> dict[Any, Any]:
        """The fields of an object; `Unread` where the code left them. SETS has the set names, EXTRA extra values.

        Raises:
            Failed: a field is missing, or what the code gives is no value of it.
        """
        there = dict(result.raw())
        found: dict[Any, Any] = {}
        names = set()
        for name, sources in self._sources.items():
            source = next((each for each in sources if each in there), None)
            if source is None:
                found[name] = self._default(name)
                continue
            if source not in stored or was_set is None or source in was_set:
                names.add(name)
            value = there.pop(source)
            kept = self._kept(name, source, value, stored)
            found[name] = kept or self._validated(name, value.load() if type(value) is Unread else value)
            if kept is None and name in self._fixed:
                self._check_fixed(name, found[name], stored)
        found[SETS] = frozenset(names)
        if self._today.plan.extra is not None:
            found[EXTRA] = {
                name: value.load() if type(value) is Unread else value
                for name, value in there.items()
                if name not in self._sources
            }
        return found

    def _kept(self, name: str, source: str, value: Any, stored: dict[str, Any]) -> Unread | None:
        """The stored field, where `value` is what was stored for today's field `name`."""
        before = value if type(value) is Unread else stored.get(source)
        if type(before) is not Unread or self.field_of.get(before.name) != name:
            return None
        return before if before.is_stored(value) else None

    def _default(self, name: str) -> Any:
        make = self._defaults[name]
        if isinstance(make, NoDefault):
            raise Failed(f"its code gives no {name!r}, and {make}")
        return make()

    def _validated(self, name: str, value: Any) -> Any:
        ways = self._today.plan.ways
        try:
            return ways.way(name).validated(value)
        except pydantic.ValidationError as problem:
            why = problem.errors(include_url=False)[0]["msg"]
            raise Failed(f"its code gives {told(value)} for {name!r}: {why}") from problem
        except ParcodeError:
            raise
        except Exception as problem:  # of a validator of the user's
            raise Failed(f"its code gives {told(value)} for {name!r}: {problem!r}") from problem

    def _check_fixed(self, name: str, value: Any, stored: dict[str, Any]) -> None:
        fields = (each for each in stored.values() if type(each) is Unread)
        before = next((each for each in fields if self.field_of.get(each.name) == name), None)
        if before is not None and not alike(value, before.kept()):
            raise Failed(
                f"its code changes {name!r}, which is a key or has an index: entities are found by the stored value, "
                "so a migration must write them"
            )

"""`upgrade`: code of a class that reads objects of its earlier versions.

The version of a class is one more than the greatest from which it has code, and 1 without code. A schema has it where
it is not 1.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from ..errors import UnsupportedTypeError, told
from .per_class import per_class

Fields = dict[str, Any]
Step = Callable[[Fields], Fields]
F = TypeVar(  # mypy takes class methods and static methods for functions
    "F",
    bound="Step|Callable[[Any, Fields], Fields]|classmethod[Any, [Fields], Fields]|staticmethod[[Fields], Fields]",
)
VERSION = "version"  # in a schema
VERSION_FIELD = "(version)"  # among the fields of a packed object, where it is not 1
_FROM = "_p_upgrade_from_"


def upgrade(*, from_version: int) -> Callable[[F], F]:
    """Say what an object of an earlier version of a class is now, where names and types do not tell.

        class Player(Model):
            first: str
            last: str

            @upgrade(from_version=1)
            @staticmethod
            def split_name(stored: dict[str, Any]) -> dict[str, Any]:
                first, _, last = stored.pop("name").partition(" ")
                return {**stored, "first": first, "last": last}

    The class is of version 2 then. The function runs when an object of version 1 is read, and its result goes to the
    function that is for version 2, if there is one. It gets the fields that are stored, by their names then. A field
    that it leaves as it is is read as without it, and Pydantic validates all others as the class declares them.

    Args:
        from_version: the version that the function is for, an int from 1 on.

    Raises:
        TypeError: `from_version` is no such int, or what is decorated is no class method or static method.
    """
    if type(from_version) is not int or from_version < 1:
        raise TypeError(f"upgrade(from_version=...) takes an int from 1 on, not {told(from_version)}")

    def mark(function: F) -> F:
        if not isinstance(function, classmethod | staticmethod):
            raise TypeError(f"@upgrade(...) stands above @staticmethod or @classmethod, not on {told(function)}")
        setattr(function.__func__, _FROM, from_version)
        return function

    return mark


@per_class
def _names(cls: type) -> dict[int, str]:
    """The methods of a class by the versions that they are for."""
    found: dict[int, str] = {}
    seen: set[str] = set()
    for base in cls.__mro__:
        for name, value in vars(base).items():
            # Pydantic's stand-ins in a class that is not complete would complete it if they were asked.
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else None
            version = function.__dict__.get(_FROM) if isinstance(function, FunctionType) else None
            if version is not None and name not in seen:
                other = found.setdefault(version, name)
                if other != name:
                    raise UnsupportedTypeError(
                        f"{cls.__qualname__}: {other} and {name} are both @upgrade(from_version={version}): a version "
                        "has one, also where one of them is of a base class"
                    )
            seen.add(name)
    gap = next((each for each in range(min(found, default=1), max(found, default=1)) if each not in found), None)
    if gap is not None:
        raise UnsupportedTypeError(
            f"{cls.__qualname__} has @upgrade(from_version={max(found)}), and none from version {gap}: number them "
            "without gaps"
        )
    return found


@per_class
def version_of(cls: Any) -> int:
    """The version of a class.

    Raises:
        UnsupportedTypeError: two functions are for one version, or there is none for one between others.
    """
    return max(_names(cls), default=0) + 1


def packed_version(cls: Any) -> dict[str, Any]:
    """The version of a class as a packed object stores it: empty for version 1."""
    version = version_of(cls)
    return {VERSION_FIELD: version} if version > 1 else {}


def about_version(cls: Any) -> dict[str, Any]:
    """The version of a class as its schema has it: empty for version 1."""
    version = version_of(cls)
    return {VERSION: version} if version > 1 else {}


def steps_from(cls: Any, version: int) -> list[Step] | None:
    """The functions that lead from a version to that of the class; None where one is missing."""
    names = _names(cls)
    wanted = range(version, version_of(cls))
    if version > version_of(cls) or any(each not in names for each in wanted):
        return None
    return [getattr(cls, names[each]) for each in wanted]


def without_code(version: int) -> dict[str, Any]:
    """Members for a class made from a schema of this version: a stand-in for the code that is not in the file."""

    def code_is_missing(stored: Fields) -> Fields:
        raise LookupError("the code is not here: read the object by the class that has it")

    return {"code_is_missing": upgrade(from_version=version - 1)(staticmethod(code_is_missing))}

"""Every name that a user can reach says what it is: in its docstring, or in the list of its class's docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

import parcode_orm
from parcode_orm import Chunk, Model, ParcodeError, Session, ShardedMap, VerifyReport, save, verify

pytestmark = pytest.mark.once


class Row(Model):
    n: int = 0


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    rows: list[Row] = Chunk()
    by: dict[str, Row] = ShardedMap()
    data: bytes = Chunk()
    text: str = Chunk()
    grid: np.ndarray = Chunk()


def damaged(path: Path) -> VerifyReport:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return verify(data)


class Keyed(Model):
    id: int = parcode_orm.Key()


def examples(path: Path) -> Iterator[Any]:
    """An object of each class that a user can get hold of."""
    world = World(rows=[Row()], by={"a": Row()}, data=b"d" * 300_000, text="t" * 300_000, grid=np.zeros(100_000))
    save(path, world)
    session = Session(path)
    found = session.root(World)
    found.rows[0].n = 5
    yield from (session, session.stats, session.dirty, found, found.rows, found.rows[0], found.by)
    session.commit()
    yield from (found.lazy("data"), found.lazy("text"), found.lazy("grid"))
    diff = session.diff(1, 2)
    yield from (diff, *diff, session.snapshot, session.begin_nested())
    (commit,) = session.changes(1)
    (row,) = commit
    yield from (commit, row, *row.fields.values())
    session.rollback()
    yield next(session.attempts())
    yield from (report := damaged(path), report.problems[0])
    yield from (seen := parcode_orm.inspect(path), seen.entries[0], seen.commits[0], seen.schemas[0])
    statement = parcode_orm.select(found.by)
    yield from (statement, session.scalars(statement), session.execute(statement), parcode_orm.explain(statement))
    yield from (parcode_orm.update(found.by), parcode_orm.delete(found.by), Row.n > 3)  # type: ignore[operator]
    yield parcode_orm.recover(path, path.with_name("saved.par"))
    yield from (parcode_orm.Ref(Keyed(id=1)), parcode_orm.Vector(3))
    yield parcode_orm.backup(path.with_name("saved.par"), path.with_name("copy.par"))
    yield parcode_orm.Dataset.write(path.with_name("rows"), [Keyed(id=1)])
    yield parcode_orm.func()  # nobody makes one, as its methods are static
    yield parcode_orm.RenamedWarning()
    for name in parcode_orm.errors.__all__:
        yield getattr(parcode_orm, name)()


def is_ours(cls: type[Any]) -> bool:
    return cls.__module__.split(".")[0] == "parcode_orm"


def named_in(text: str, name: str) -> bool:
    return re.search(rf"(^|[`* ,]){re.escape(name)}(:|`|,|\b)", text) is not None


def gaps_of_function(where: str, function: Any) -> Iterator[str]:
    """What a function's docstring leaves out: itself, or a parameter."""
    text = inspect.getdoc(function)
    if not text or not text.strip():
        yield f"{where} has no docstring"
        return
    for name in inspect.signature(function).parameters:
        if name not in ("self", "cls", "options", "args", "kwargs") and not re.search(rf"\b{name}\b", text):
            yield f"{where} says nothing of its argument {name}"


def gaps_of_class(cls: type[Any], attributes: frozenset[str] = frozenset()) -> Iterator[str]:
    """What the docstrings of a class leave out; `attributes` are those that its instances have besides."""
    mine = [each for each in cls.__mro__ if is_ours(each)]
    texts = "\n".join(each.__doc__ or "" for each in mine)
    if not vars(cls).get("__doc__"):
        yield f"{cls.__qualname__} has no docstring"
    for each in mine:
        for name, value in vars(each).items():
            if name.startswith("_") or name == "model_config":
                continue
            function = getattr(value, "__func__", value)
            if isinstance(value, property):
                if not inspect.getdoc(value):
                    yield f"{cls.__qualname__}.{name} has no docstring"
            elif inspect.isfunction(function):
                bound = getattr(cls, name) if isinstance(value, classmethod) else function
                yield from gaps_of_function(f"{cls.__qualname__}.{name}", bound)
            elif hasattr(value, "function"):  # a method that only instances have
                yield from gaps_of_function(f"{cls.__qualname__}.{name}", value.function)
            else:
                attributes |= {name}
    for name in sorted(attributes):
        if not named_in(texts, name):
            yield f"the docstring of {cls.__qualname__} says nothing of {name}"


def test_every_public_name_is_documented(tmp_path: Path) -> None:
    gaps: set[str] = set()
    for name in parcode_orm.__all__:
        value = getattr(parcode_orm, name)
        gaps |= set(gaps_of_class(value) if isinstance(value, type) else gaps_of_function(name, value))
    assert not sorted(gaps)


def test_every_attribute_of_what_a_user_gets_is_documented(tmp_path: Path) -> None:
    met: set[str] = set()
    gaps: set[str] = set()
    for obj in examples(tmp_path / "a.par"):
        cls = obj.__class__
        if isinstance(obj, BaseModel):  # its attributes are the user's own
            cls = Model
        there = frozenset() if cls is Model else frozenset(getattr(obj, "__dict__", {}))
        met.add(cls.__name__)
        gaps |= set(gaps_of_class(cls, frozenset(name for name in there if not name.startswith("_"))))
    assert not sorted(gaps)
    classes = {name for name in parcode_orm.__all__ if isinstance(getattr(parcode_orm, name), type)}
    assert classes <= met | {"ParcodeError"}, "each public class has an example here"


@pytest.mark.parametrize("name", parcode_orm.errors.__all__)
def test_every_error_says_what_it_means(name: str) -> None:
    cls = getattr(parcode_orm, name)
    assert issubclass(cls, ParcodeError) and not issubclass(cls, AttributeError)
    assert cls.__doc__ and len(cls.__doc__.split()) >= 5

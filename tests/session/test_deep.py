"""What is nested deeply: the limit is the same on every way, and neither it nor a full stack is damage.

A model of 90 levels was committed and could not be read; one behind a base class was refused from 50 on; and a sound
file, read where Python's stack was deep already, was called damaged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr

from parcode_orm import Chunk, EncodeError, Model, Session, ShardedMap, dumps, load, loads, register, verify
from parcode_orm.codec.cycles import MAX_NESTED

IDENTITY: dict[str, Any] = {"uuid": __import__("uuid").UUID(int=1), "time_ns": 1}


class Node(Model):
    n: int = 0
    kids: list[Node] = []


class Wrapped(Model):
    n: int = 0
    parts: dict[str, list[dict[str, tuple[Wrapped | None, ...]]]] = {}


class Apart(Model):
    n: int = 0
    kids: list[Apart] = Chunk(default=[])


class Keyed(Model):
    n: int = 0
    kids: dict[str, Keyed] = ShardedMap(default={})


class Either(Model):
    n: int = 0
    it: Either | list[Either] | None = None


class Expression(Model):
    n: int = 0


class Negated(Expression):
    inner: Expression


class Hidden(Model):
    n: int = 0
    _kid: Hidden | None = PrivateAttr(default=None)


@register
class Plain(BaseModel):
    n: int = 0
    kids: list[Plain] = []


@register
@dataclasses.dataclass
class Link:
    n: int = 0
    next: Link | None = None


class Holder(Model):
    plain: Plain | None = None
    link: Link | None = None
    any: Any = None


def nested(cls: Any, wrap: Callable[[Any], dict[str, Any]], depth: int) -> Any:
    """`depth` objects of `cls`, each in the fields that `wrap` gives of the one below; the innermost has n = 1."""
    found = Expression(n=1) if cls is Negated else cls(n=1)
    for _ in range(depth - 1):
        made = cls.model_construct(n=0, **wrap(found)) if issubclass(cls, BaseModel) else cls(n=0, **wrap(found))
        if cls is Hidden:
            made._kid = found
        found = made
    return found


def innermost(obj: Any) -> Any:
    """What `nested` began with."""
    while True:
        below = getattr(obj, "kids", None) or getattr(obj, "parts", None)
        below = below or [getattr(obj, name, None) for name in ("inner", "it", "_kid", "next", "plain", "link", "any")]
        while isinstance(below, list | tuple | dict) or hasattr(type(below), "_p_lazy_"):
            items = list(below.values()) if hasattr(below, "values") else list(below)
            below = next((each for each in items if each is not None), None)
        if below is None:
            return obj
        obj = below


SHAPES: dict[str, tuple[Any, Callable[[Any], dict[str, Any]]]] = {
    "lists": (Node, lambda below: {"kids": [below]}),
    "containers": (Wrapped, lambda below: {"parts": {"a": [{"b": (None, below)}]}}),
    "chunks": (Apart, lambda below: {"kids": [below]}),
    "maps": (Keyed, lambda below: {"kids": {"a": below}}),
    "unions": (Either, lambda below: {"it": [below]}),
    "a base class": (Negated, lambda below: {"inner": below}),
    "private attributes": (Hidden, lambda below: {}),
}


def of_depth(shape: str, depth: int) -> Any:
    if shape in SHAPES:
        return nested(*SHAPES[shape], depth)
    if shape == "plain models":
        return Holder.model_construct(plain=nested(Plain, lambda below: {"kids": [below]}, depth - 1))
    if shape == "dataclasses":
        return Holder.model_construct(link=nested(Link, lambda below: {"next": below}, depth - 1))
    return Holder.model_construct(any=nested(Plain, lambda below: {"kids": [below]}, depth - 1))


ALL = [*SHAPES, "plain models", "dataclasses", "any"]


@pytest.mark.parametrize("shape", ALL)
def test_the_limit_is_the_same_everywhere(shape: str) -> None:
    obj = of_depth(shape, MAX_NESTED)
    data = dumps(obj, **IDENTITY)
    again = loads(data, type(obj))
    assert innermost(again).n == 1
    assert dumps(again, **IDENTITY) == data
    if shape in ("any", "private attributes"):  # values packed, or left out: one more is no error
        return
    with pytest.raises(EncodeError, match=f"nested {MAX_NESTED + 1} deep") as caught:
        dumps(of_depth(shape, MAX_NESTED + 1))
    assert caught.value.path and len(str(caught.value)) < 500


@pytest.mark.once
@pytest.mark.parametrize("shape", ALL)
def test_sessions_take_what_is_nested_deeply(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    obj = of_depth(shape, MAX_NESTED)
    with Session(path) as session:
        session.add(obj)
        session.commit()
        innermost(session.root(type(obj))).n = 2
        session.commit()
        (change,) = session.diff(1, 2)
        if shape != "containers":  # a tuple is compared whole
            assert (change.old, change.new) == (1, 2)
        innermost(session.root(type(obj))).n = 3
        session.rollback()
        assert innermost(session.root(type(obj))).n == 2
    with Session(path) as session:
        root = session.root(type(obj))
        innermost(root).n = 4
        assert session.is_modified(root)
        session.commit()
        assert innermost(root.model_load()).n == 4
    assert innermost(load(path, type(obj))).n == 4
    assert verify(path).ok


def at_depth(frames: int, work: Callable[[], Any]) -> Any:
    return at_depth(frames - 1, work) if frames else work()


@pytest.mark.parametrize("frames", [400, 700, 800])
@pytest.mark.parametrize("shape", ALL)
def test_a_deep_stack_of_the_caller_is_no_damage(shape: str, frames: int) -> None:
    obj = of_depth(shape, 60)
    data = at_depth(frames, lambda: dumps(obj, **IDENTITY))
    again = at_depth(frames, lambda: loads(data, type(obj)))
    assert dumps(again, **IDENTITY) == data
    with Session(data) as session:
        root = session.root(type(obj))
        assert at_depth(frames, lambda: innermost(root)).n == 1
        try:
            at_depth(frames, lambda: repr(root))
        except RecursionError:
            pass


def test_code_of_the_caller_that_does_not_end_ends_in_its_own_error() -> None:
    class Endless(Model):
        items: set[Point] = set()

    point = Point(1)
    data = dumps(Endless(items={point}))
    Point.endless = True
    try:
        with pytest.raises(RecursionError):
            loads(data, Endless)
    finally:
        Point.endless = False
    assert loads(data, Endless).items == {point}


@register
@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    endless = False

    def __hash__(self) -> int:
        return hash(self) if self.endless else self.x

# ruff: noqa: UP007, UP045
"""Random model classes and values for them, and `same`: equal in value and in type, all the way down.

    @given(objects())
    def test(obj): assert same(loads(dumps(obj), type(obj)), obj)

Only the public interface of the package is used.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable
from typing import Any, Optional, Union

import pydantic
from hypothesis import strategies as st
from pydantic import ConfigDict

from parcode_orm import Chunk, Model, ShardedMap
from tests.equality import same
from tests.kinds import ANYTHING, INTS, KEYS, LARGE, SCALARS, TEXT, ZONES, Pair, Typed, Wrapper, with_privates

__all__ = ["ANYTHING", "ZONES", "Typed", "classes", "objects", "same", "types", "values_of"]


KINDS = [
    "list", "optional", "dict", "set", "tuple", "many", "union", "deque", "frozenset", "model", "generic", "wrapper",
    "ordered", "defaultdict",
]  # fmt: skip


def _sequence(kind: Any, inner: Typed, build: Callable[[list[Any]], Any]) -> Typed:
    return Typed(kind[inner.annotation], st.lists(inner.values, max_size=5).map(build), False)


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> Typed:
    """A type that can be stored, and values for it."""
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(SCALARS))
    kind = draw(st.sampled_from(KINDS))
    if kind == "model":
        cls = draw(classes(depth - 1))
        return Typed(cls, values_of(cls), False)
    if kind in ("set", "frozenset"):
        key = draw(st.sampled_from(KEYS))
        build = set if kind == "set" else frozenset
        return Typed(build[key.annotation], st.lists(key.values, max_size=5).map(build), False)  # type: ignore[index]
    inner = draw(types(depth - 1))
    if kind == "wrapper":
        wrapper: Any = Wrapper[inner.annotation]  # type: ignore[name-defined]
        return Typed(wrapper, st.builds(wrapper, inner=inner.values), False)
    if kind in ("ordered", "defaultdict"):
        pairs = st.dictionaries(TEXT, inner.values, max_size=4)
        if kind == "ordered":
            return Typed(collections.OrderedDict[str, inner.annotation], pairs.map(collections.OrderedDict), False)  # type: ignore[name-defined]
        return Typed(collections.defaultdict[str, list[inner.annotation]], pairs.map(_grouped), False)  # type: ignore[name-defined]
    if kind == "optional":
        return Typed(Optional[inner.annotation], st.none() | inner.values, inner.hashable)
    if kind == "list":
        return _sequence(list, inner, list)
    if kind == "deque":
        return _sequence(collections.deque, inner, collections.deque)
    if kind == "many":
        return Typed(tuple[inner.annotation, ...], st.lists(inner.values, max_size=4).map(tuple), False)
    if kind == "dict":
        key = draw(st.sampled_from(KEYS))
        return Typed(
            dict[key.annotation, inner.annotation], st.dictionaries(key.values, inner.values, max_size=5), False
        )  # type: ignore[name-defined]
    other = draw(types(depth - 1))
    if kind == "generic":
        pair: Any = Pair[inner.annotation, other.annotation]  # type: ignore[name-defined]
        return Typed(pair, st.builds(pair, left=inner.values, rights=st.lists(other.values, max_size=3)), False)
    if kind == "tuple":
        return Typed(tuple[inner.annotation, other.annotation], st.tuples(inner.values, other.values), False)
    return Typed(Union[inner.annotation, other.annotation], inner.values | other.values, False)


def _grouped(pairs: dict[str, Any]) -> Any:
    return collections.defaultdict(list, {key: [value] for key, value in pairs.items()})


# -- classes ---------------------------------------------------------------------------------------------------

_numbers = itertools.count(1)
_FIELDS: dict[type, dict[str, tuple[st.SearchStrategy[Any], bool]]] = {}
_NAMES = ["alpha", "beta", "gamma", "delta", "omega", "x1", "größe", "type_"]


@st.composite
def classes(draw: st.DrawFn, depth: int = 2, large: bool = False) -> type[Model]:
    """A new `Model` class: plain and marked fields, some with defaults, perhaps recursive, perhaps with extras.

    `large`: one field's values are large enough to leave for a table or a blob.
    """
    name = f"Gen{next(_numbers)}"
    fields: dict[str, Any] = {}
    known: dict[str, tuple[st.SearchStrategy[Any], bool]] = {}
    for field in draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=5, unique=True)):
        if large:
            typed, mark = draw(st.sampled_from(LARGE))
            large = False
        else:
            typed, mark = draw(types(depth)), draw(st.sampled_from(["", "", "", "chunk", "map!"]))
        optional = draw(st.booleans())
        annotation, values = typed.annotation, typed.values
        if mark == "map!":
            annotation, values = dict[str, annotation], st.dictionaries(TEXT, values, max_size=6)
        elif optional:
            annotation, values = Optional[annotation], st.none() | values
        compression = draw(st.sampled_from([None, None, "lz4", "auto"]))
        default = ... if not optional else ({} if mark == "map!" else None)
        marker = {"chunk": Chunk, "map": ShardedMap}.get(mark.rstrip("!"))
        if marker is not None:
            fields[field] = (annotation, marker(default, compression=compression))
        else:
            fields[field] = (annotation, default)
        known[field] = (values, optional)
    if draw(st.integers(0, 4)) == 0:
        fields["kids"] = (list[name], [])  # type: ignore[valid-type]
        known["kids"] = (st.just([]), True)
    # Arrays are none of Pydantic's own types.
    config = ConfigDict(arbitrary_types_allowed=True, extra="allow" if draw(st.integers(0, 4)) == 0 else "ignore")
    base: Any = type("Base" + name, (Model,), {"model_config": config, "__module__": __name__, **draw(_privates())})
    cls: type[Model] = pydantic.create_model(name, __base__=base, __module__=__name__, **fields)
    _FIELDS[cls] = known
    globals()[name] = cls  # where pickle looks for it
    return cls


@st.composite
def _privates(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 3)):
        return {}
    return {
        "__annotations__": {"_hits": int, "_memo": Any},
        "_hits": pydantic.PrivateAttr(default_factory=int),
        "_memo": pydantic.PrivateAttr(),
        "_free": pydantic.PrivateAttr(7),  # not annotated, so it comes from its default
    }


@st.composite
def _instances(draw: st.DrawFn, cls: type[Model], depth: int) -> Model:
    given: dict[str, Any] = {}
    for field, (values, optional) in _FIELDS[cls].items():
        if optional and draw(st.integers(0, 3)) == 0:
            continue
        if field == "kids":
            given[field] = draw(st.lists(_instances(cls, depth - 1), max_size=2)) if depth > 0 else []
        else:
            given[field] = draw(values)
    if cls.model_config.get("extra") == "allow":
        given.update(draw(st.dictionaries(st.sampled_from(["more_", "extra_ü"]), ANYTHING, max_size=2)))
    made = cls(**given)
    if draw(st.integers(0, 9)) == 0:  # not all of its fields, and perhaps others than those are said to be set
        kept = {name: getattr(made, name) for name in given if draw(st.booleans())}
        said = draw(st.sampled_from([None, set(), {"alpha"}, {"no_such_field"}, set(cls.model_fields)]))
        made = cls.model_construct(said, **kept)
    if "_memo" in cls.__private_attributes__ and draw(st.booleans()):
        with_privates(made, {"_hits": draw(INTS), "_memo": draw(ANYTHING)})
    return made


def values_of(cls: type[Model], depth: int = 2) -> st.SearchStrategy[Model]:
    """Instances of a class that `classes` made: validated, or, seldom, by `model_construct` without some fields."""
    return _instances(cls, depth)


@st.composite
def objects(draw: st.DrawFn, depth: int = 2, large: bool = False) -> Model:
    """An instance of a new class."""
    return draw(values_of(draw(classes(depth, large)), depth))

"""What values are beside their content: the sets of names, factories and classes that come back with them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict

import parcode_orm
from parcode_orm import Chunk, CompressionError, Model, dumps, loads
from tests.strategies import same


class Marked(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    either: str | bytes | int | None = Chunk(default=None)
    anything: Any = Chunk(default=None)
    raw: bytearray = Chunk(default=bytearray())


class Name(str):
    """A text of a class of its own."""


parcode_orm.register(Name)


@pytest.mark.parametrize("value", ["a", b"a", bytearray(b"a"), Name("a"), [1], {"a": 1}, (1,)], ids=repr)
@pytest.mark.parametrize("count", [1, 50_000])
def test_large_values_where_the_type_says_little(value: Any, count: int) -> None:
    large = {str(n): n for n in range(count)} if isinstance(value, dict) else type(value)(value * count)
    obj = Marked(anything=large)
    if isinstance(value, str | bytes):
        obj.either = large
    if isinstance(value, bytearray):
        obj.raw = large
    if type(value) is Name:
        obj.either = str(large)
    assert same(loads(dumps(obj), Marked), obj)
    assert same(parcode_orm.open(dumps(obj)).root(Marked).model_load(), obj)


def test_fields_set_of_foreign_names() -> None:
    class Two(Model):
        a: int = 1
        b: int = 2

    for names in ({"a", "foreign"}, {"a", "b"}, {"foreign"}, {"a", "b", "foreign"}, set()):
        obj = Two.model_construct(set(names), a=1, b=2)
        for found in (loads(dumps(obj), Two), parcode_orm.open(dumps(obj)).root(Two)):
            assert found.model_fields_set == names


def test_the_factory_of_a_defaultdict_whose_values_pydantic_knows_not() -> None:
    class Grouped(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        arrays: defaultdict[str, list[NDArray[Any]]]
        groups: defaultdict[str, list[Grouped]] = defaultdict(list)

    found = loads(dumps(Grouped(arrays={"a": [np.zeros(2)]})), Grouped)
    found.arrays["b"].append(np.ones(1))
    found.groups["c"].append(found)
    assert found.arrays.default_factory is list and found.groups.default_factory is list


def test_an_unknown_compression_is_said_even_of_small_values() -> None:
    class Packed(Model):
        items: list[int] = Chunk(compression="gzip")

    with pytest.raises(CompressionError, match="no compression is called 'gzip'"):
        dumps(Packed(items=[1]))

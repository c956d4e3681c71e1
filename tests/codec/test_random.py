"""Random classes and values through columns alone: what is read is what was written."""

from __future__ import annotations

from hypothesis import given

from parcode_orm.codec.packed.values import pack, unpack
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.model.base import Model
from tests.codec.harness import image, view_of
from tests.effort import half
from tests.strategies import objects, same


@given(objects())
@half(150)
def test_objects_come_back(obj: Model) -> None:
    column = struct_for(type(obj))
    view = view_of(column, [obj, obj])
    plain, lazy = view.read(0, 2), [view.get(0), view.get(1)]
    assert same(plain, [obj, obj])
    assert same(lazy, [obj, obj])
    assert image(column, plain) == image(column, [obj, obj])


@given(objects())
@half(150)
def test_objects_come_back_packed(obj: Model) -> None:
    assert same(unpack(pack(obj)), obj)

"""Objects of a whole load share the set of their fields, and nobody can tell."""

from __future__ import annotations

import copy
import pickle

from pydantic import BaseModel

from parcode_orm import Model, dumps, loads


class Inner(BaseModel):
    x: int = 0


class Row(Model):
    a: int
    b: int = 0
    inner: Inner = Inner()


class Rows(Model):
    rows: list[Row]


def loaded() -> Rows:
    return loads(dumps(Rows(rows=[Row(a=n, b=n, inner=Inner(x=n)) for n in range(3)])), Rows)


def test_changing_the_set_of_one_leaves_the_others() -> None:
    first, second, third = loaded().rows
    first.model_fields_set.discard("b")
    first.inner.model_fields_set.clear()
    assert first.model_fields_set == {"a", "inner"}
    assert first.model_dump(exclude_unset=True) == {"a": 0, "inner": {}}
    assert second.model_dump(exclude_unset=True) == {"a": 1, "b": 1, "inner": {"x": 1}}
    assert third.model_copy().model_fields_set == {"a", "b", "inner"}
    assert loaded().rows[0].model_fields_set == {"a", "b", "inner"}


def test_the_set_is_a_plain_one() -> None:
    row = loaded().rows[0]
    assert type(pickle.loads(pickle.dumps(row)).__pydantic_fields_set__) is set
    assert type(copy.deepcopy(row).__pydantic_fields_set__) is set
    assert type(row.model_fields_set) is set
    assert row.model_fields_set is row.model_fields_set

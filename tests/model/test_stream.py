"""Iterators as values of stored fields."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from parcode_orm.codec.types.stream import Stream
from parcode_orm.errors import SessionError, StreamConsumedError
from parcode_orm.model import Chunk, Model, ShardedMap


class Item(Model):
    x: int

    @field_validator("x")
    @classmethod
    def positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("must be positive")
        return value


class Holder(Model):
    numbers: list[int] = Chunk(default_factory=list)
    items: list[Item] = Chunk(default_factory=list)
    table: dict[int, Item] = ShardedMap(default_factory=dict)
    pairs: list[tuple[int, str]] = Chunk(default_factory=list)
    whatever: list = Chunk(default_factory=list)
    optional: list[int] | None = Chunk(None)
    raw: bytes = Chunk(b"")


def test_items_are_validated_one_by_one_when_they_are_asked_for():
    asked = []

    def source() -> Any:
        for each in ("1", 2, "3"):
            asked.append(each)
            yield each

    holder = Holder(numbers=source())
    assert isinstance(holder.numbers, Stream) and holder.numbers.kind == "list" and asked == []
    values = iter(holder.numbers)
    assert next(values) == 1 and asked == ["1"]
    assert list(values) == [2, 3]


def test_pairs_for_dictionaries():
    holder = Holder(table=iter([("1", {"x": "2"}), [3, Item(x=4)]]))
    assert holder.table.kind == "map"
    assert list(holder.table) == [(1, Item(x=2)), (3, Item(x=4))]


def test_every_kind_of_list():
    holder = Holder(items=iter([{"x": 1}]), pairs=iter([["1", "a"]]), whatever=iter([1, "a"]), optional=iter(["5"]))
    assert list(holder.items) == [Item(x=1)]
    assert list(holder.whatever) == [1, "a"]
    assert list(holder.optional) == [5]
    assert list(holder.pairs) == [(1, "a")]


def test_the_error_is_that_of_the_whole_field():
    def errors(call: Any) -> Any:
        with pytest.raises(ValidationError) as caught:
            call()
        return caught.value.title, caught.value.errors(include_url=False, include_context=False)

    for field, values in {
        "numbers": [1, "x"],
        "items": [{"x": 1}, {"x": -1}],
        "pairs": [(1, "a"), (1,)],
    }.items():
        streamed = errors(lambda field=field, values=values: list(getattr(Holder(**{field: iter(values)}), field)))
        assert streamed == errors(lambda field=field, values=values: Holder(**{field: values}))


def test_the_error_of_a_pair_says_which():
    stream = Holder(table=iter([(1, {"x": 1}), ("k", {"x": "?"})])).table
    with pytest.raises(ValidationError) as caught:
        list(stream)
    assert [each["loc"] for each in caught.value.errors()] == [("table", 1, 0), ("table", 1, 1, "x")]
    with pytest.raises(ValidationError):
        list(Holder(table=iter([5])).table)


def test_a_second_reading_is_refused():
    stream = Holder(numbers=iter([1])).numbers
    assert list(stream) == [1]
    with pytest.raises(StreamConsumedError, match=r"Holder\.numbers.*only once") as caught:
        list(stream)
    assert isinstance(caught.value, SessionError) and isinstance(caught.value, ValueError)


def test_repr_reads_nothing():
    assert repr(Holder(numbers=iter([1])).numbers) == "<Stream for Holder.numbers>"


def test_a_stream_may_be_assigned_and_validated_again():
    class Assigned(Model):
        model_config = ConfigDict(validate_assignment=True, revalidate_instances="always")
        f: list[int] = Chunk()

    class Outer(BaseModel):
        inner: Assigned

    made = Assigned(f=[1])
    made.f = iter(["4"])
    assert list(Outer(inner=made).inner.f) == [4]


def test_the_configuration_of_the_model_reaches_the_items():
    class Strict(Model):
        model_config = ConfigDict(strict=True, str_strip_whitespace=True)
        f: list[int] = Chunk(default_factory=list)
        g: list[str] = Chunk(default_factory=list)

    assert list(Strict(g=iter([" a "])).g) == ["a"]
    with pytest.raises(ValidationError, match="int_type"):
        list(Strict(f=iter(["1"])).f)


def test_iterators_are_for_lists_and_dictionaries():
    with pytest.raises(ValidationError):
        Holder(raw=iter([1]))

"""Marks on every spelling of a collection: what is put in is validated, iterators are streams, what is read is lazy."""

from __future__ import annotations

import collections
import sys
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Annotated, Any, Generic, List, NewType, Optional, TypeVar  # noqa: UP035
from typing import Sequence as TypingSequence  # noqa: UP035

import pytest
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import TypeAliasType

from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, dumps, loads
from parcode_orm.codec.types.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class Item(BaseModel):
    x: int = 0


Many = TypeAliasType("Many", list[T], type_params=(T,))
Swapped = TypeAliasType("Swapped", dict[U, T], type_params=(T, U))
Twice = TypeAliasType("Twice", Many[T], type_params=(T,))
ByName = TypeAliasType("ByName", dict[str, T], type_params=(T,))
Items = NewType("Items", list[Item])
MoreItems = NewType("MoreItems", Many[Item])  # type: ignore[valid-newtype]
Named = NewType("Named", dict[str, Item])

LISTS: dict[str, Any] = {
    "list": list[Item],
    "typing.List": List[Item],  # noqa: UP006
    "an alias": TypeAliasType("Plain", list[Item]),
    "an alias by name": TypeAliasType("Later", "list[Item]"),
    "an alias with an argument": Many[Item],
    "an alias of an alias": Twice[Item],
    "a new type": Items,
    "a new type of an alias": MoreItems,
    "optional": Optional[Many[Item]],  # noqa: UP045
    "annotated": Annotated[Annotated[Items, Field(max_length=9999)], "note"],
    "Sequence": Sequence[Item],
    "typing.Sequence": TypingSequence[Item],
    "MutableSequence": MutableSequence[Item],
    "LazyList": LazyList[Item],
    "LazyList or None": LazyList[Item] | None,
}
MAPS: dict[str, Any] = {
    "dict": dict[str, Item],
    "an alias with an argument": ByName[Item],
    "an alias with swapped arguments": Swapped[Item, str],
    "a new type": Named,
    "Mapping": Mapping[str, Item],
    "MutableMapping": MutableMapping[str, Item],
    "LazyMap": LazyMap[str, Item],
    "LazyMap or None": LazyMap[str, Item] | None,
}
if sys.version_info >= (3, 12):
    exec("type Stated[V] = list[V]\ntype StatedMap[K, V] = dict[K, V]")
    LISTS["a type statement"] = eval("Stated[Item]")
    MAPS["a type statement"] = eval("StatedMap[str, Item]")


@pytest.mark.parametrize("spelling", LISTS)
@pytest.mark.parametrize("count", [2, 5000])
def test_a_marked_list(spelling: str, count: int) -> None:
    tp = LISTS[spelling]

    class Box(Model):
        many: tp = Chunk()

    items = [Item(x=n) for n in range(count)]
    given = Box(many=iter(items))
    assert type(given.many) is Stream
    assert loads(dumps(given), Box).many == items
    with Session(":memory:") as session:
        session.add(Box(many=[Item(x=n) for n in range(count)]))
        session.commit()
        many = session.root(Box).many
        assert type(many) is LazyList
        many.append({"x": "7"})
        assert many[count] == Item(x=7)
        with pytest.raises(ValidationError, match=f"many.{count + 1}.x"):
            many.append({"x": "no number"})
        session.commit()
        assert loads(dumps(session.root(Box)), Box).many == [*items, Item(x=7)]


@pytest.mark.parametrize("spelling", MAPS)
@pytest.mark.parametrize("mark", [Chunk, ShardedMap])
@pytest.mark.parametrize("count", [2, 5000])
def test_a_marked_dictionary(spelling: str, mark: Any, count: int) -> None:
    tp = MAPS[spelling]

    class Box(Model):
        by: tp = mark()

    items = {str(n): Item(x=n) for n in range(count)}
    given = Box(by=iter(items.items()))
    assert type(given.by) is Stream
    assert loads(dumps(given), Box).by == items
    with Session(":memory:") as session:
        session.add(Box(by={str(n): Item(x=n) for n in range(count)}))
        session.commit()
        by = session.root(Box).by
        assert type(by) is LazyMap
        by["new"] = {"x": "7"}
        assert by["new"] == Item(x=7)
        with pytest.raises(ValidationError, match=r"by.newer.x"):
            by["newer"] = {"x": "no number"}
        session.commit()
        assert loads(dumps(session.root(Box)), Box).by == {**items, "new": Item(x=7)}


def test_a_counter_is_validated_by_its_keys() -> None:
    class Box(Model):
        votes: collections.Counter[str] = ShardedMap()

    assert loads(dumps(Box(votes={"a": 2})), Box).votes == collections.Counter(a=2)
    with pytest.raises(ValidationError):
        list(Box(votes=iter([("a", "many")])).votes)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [(1, 2), [1, 2], collections.deque([1]), (1,) * 20_000, list(range(20_000))], ids=len)
def test_a_marked_sequence_keeps_what_it_was_given(value: Any) -> None:
    class Box(Model):
        numbers: Sequence[int] = Chunk()
        text: str = ""

    class Shelf(Model):
        boxes: list[Box] = Chunk()

    found = loads(dumps(Box(numbers=value)), Box).numbers
    assert type(found) is type(value) and found == value
    shelf = Shelf(boxes=[Box(numbers=[1]), Box(numbers=value), Box(numbers=(3,))])
    with Session(":memory:") as session:
        session.add(shelf)
        session.commit()
        kept = session.root(Shelf).boxes
        kept[1].text = "changed"
        session.commit()
        assert [box.numbers for box in kept] == [[1], value, (3,)]
        again = loads(dumps(session.root(Shelf)), Shelf).boxes
        assert [type(box.numbers) for box in again] == [list, type(value), tuple] and again[1].numbers == value


class Shop(Model):
    items: list[Item] = Chunk()
    numbers: list[int] = Chunk()
    by_name: dict[str, int] = ShardedMap()


class Lazily(BaseModel, Generic[T]):
    rows: LazyList[T]
    pairs: LazyMap[str, int]


AS_VALUES: list[tuple[Any, str, Any]] = [
    (Sequence[Item], "items", [Item(x=1)]),
    (Sequence[int] | str, "numbers", [1, 2]),
    (MutableSequence[int], "numbers", [1, 2]),
    (list[int], "numbers", [1, 2]),
    (tuple[int, ...], "numbers", (1, 2)),
    (set[int], "numbers", {1, 2}),
    (frozenset[int], "numbers", frozenset({1, 2})),
    (collections.deque[int], "numbers", collections.deque([1, 2])),
    (Sequence[str] | Sequence[int], "numbers", [1, 2]),
    (dict[str, Sequence[int]], "", {"a": [1, 2]}),
    (Mapping[str, int], "by_name", {"a": 1}),
    (MutableMapping[str, int], "by_name", {"a": 1}),
    (dict[str, int], "by_name", {"a": 1}),
    (collections.OrderedDict[str, int], "by_name", collections.OrderedDict(a=1)),
    (collections.defaultdict[str, int], "by_name", collections.defaultdict(int, a=1)),
    (collections.Counter[str], "by_name", collections.Counter(a=1)),
    (Sequence[str], "by_name", None),
]


@pytest.mark.parametrize(("tp", "field", "expected"), AS_VALUES, ids=str)
def test_lazy_collections_as_values_of_other_models(tp: Any, field: str, expected: Any) -> None:
    class Report(BaseModel):
        value: tp

    shop = Shop(items=[Item(x=1)], numbers=[1, 2], by_name={"a": 1})
    with Session(dumps(shop)) as session:
        root = session.root(Shop)
        value = getattr(root, field) if field else {"a": root.numbers}
        if expected is None:
            with pytest.raises(ValidationError):
                Report(value=value)
            return
        assert Report(value=value).value == expected


def test_any_iterable_of_a_lazy_list() -> None:
    class Report(BaseModel):
        rows: Iterable[int]

    with Session(dumps(Shop(items=[], numbers=[1, 2], by_name={}))) as session:
        assert list(Report(rows=session.root(Shop).numbers).rows) == [1, 2]


def test_lazy_annotations_in_models_without_a_file() -> None:
    plain = Lazily[int](rows=["1"], pairs={"a": "2"})  # type: ignore[arg-type]
    assert plain.rows == [1] and plain.pairs == {"a": 2}
    schema = Lazily[int].model_json_schema()["properties"]
    assert schema["rows"]["type"] == "array" and schema["pairs"]["type"] == "object"
    with Session(dumps(Shop(items=[], numbers=[1, 2], by_name={"a": 1}))) as session:
        root = session.root(Shop)
        lazily = Lazily[int](rows=root.numbers, pairs=root.by_name)
        assert lazily.rows is root.numbers and lazily.pairs is root.by_name
        assert lazily.model_dump() == {"rows": [1, 2], "pairs": {"a": 1}}
        assert Lazily[int].model_validate_json(lazily.model_dump_json()).rows == [1, 2]

        class Holder(Model):
            lazily: Lazily[int]

        assert loads(dumps(Holder(lazily=lazily)), Holder).lazily.rows == [1, 2]

"""What is put into a lazy collection is validated first, as on assignment to a field: one bad value changes nothing."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, save

T = TypeVar("T")


class Item(Model):
    x: int
    parts: list[Annotated[int, Field(lt=10)]] = Chunk(default_factory=list)


class Point(BaseModel):
    model_config = ConfigDict(revalidate_instances="always")
    x: int


class Opaque:
    """A class that Pydantic knows nothing of."""

    def __init__(self, n: int = 0) -> None:
        self.n = n


class Store(Model):
    numbers: list[Annotated[int, Field(gt=0)]] = Chunk(default_factory=list)
    items: list[Item] = Chunk(default_factory=list)
    points: list[Point] = Chunk(default_factory=list)
    nested: list[list[int]] = Chunk(default_factory=list)
    table: dict[str, Item] = ShardedMap(default_factory=dict)
    lists: dict[int, list[Item]] = Chunk(default_factory=dict)
    maybe: list[float] | None = Chunk(None)


class Strict(Model):
    model_config = ConfigDict(strict=True, str_strip_whitespace=True)
    numbers: list[int] = Chunk(default_factory=list)
    words: dict[str, str] = ShardedMap(default_factory=dict)


def small() -> Store:
    return Store(
        numbers=[1, 2, 3],
        items=[Item(x=1, parts=[1]), Item(x=2)],
        points=[Point(x=1)],
        nested=[[1], []],
        table={"a": Item(x=1, parts=[2])},
        lists={1: [Item(x=3)]},
        maybe=[0.5],
    )


def large() -> Store:
    store = small()
    store.numbers = list(range(10**12, 10**12 + 9000))
    store.items = [Item(x=i, parts=[1]) for i in range(10**12, 10**12 + 9000)]
    store.table = {f"key {i}": Item(x=i) for i in range(10**12, 10**12 + 9000)} | store.table
    return store


@pytest.fixture(params=[small, large], ids=["in the row", "in a table"])
def world(request: Any, tmp_path: Path) -> Iterator[Any]:
    save(tmp_path / "w.par", request.param())
    with Session(tmp_path / "w.par") as session:
        yield session.root(Store)


def refused(collection: Any, change: Callable[[], Any], *location: Any) -> None:
    """`change` raises at `location`, and nothing is another than before."""
    before = collection.load()
    with pytest.raises(ValidationError) as caught:
        change()
    assert caught.value.title in ("Store", "Strict", "Item")
    assert [each["loc"] for each in caught.value.errors()] == [location]
    assert collection.load() == before


def test_what_a_list_refuses(world: Any) -> None:
    numbers, size = world.numbers, len(world.numbers)
    ten = [1, 2, 3, 4, 0, 6, 7, 8, 9, 10]
    refused(numbers, lambda: numbers.append("x"), "numbers", size)
    refused(numbers, lambda: numbers.append(0), "numbers", size)
    refused(numbers, lambda: numbers.insert(1, None), "numbers", 1)
    refused(numbers, lambda: numbers.__setitem__(-1, "x"), "numbers", size - 1)
    refused(numbers, lambda: numbers.extend(ten), "numbers", size + 4)
    refused(numbers, lambda: numbers.extend(iter(ten)), "numbers", size + 4)
    refused(numbers, lambda: numbers.__iadd__(tuple(ten)), "numbers", size + 4)
    refused(numbers, lambda: numbers.__setitem__(slice(1, 2), ten), "numbers", 5)
    refused(numbers, lambda: numbers.__setitem__(slice(None, 2), iter(ten)), "numbers", 4)
    refused(numbers, lambda: numbers.__setitem__(slice(2, None, -2), [1, 0]), "numbers", 0)
    refused(world.items, lambda: world.items.append({"x": "y"}), "items", len(world.items), "x")
    refused(world.items, lambda: world.items.append(3), "items", len(world.items))
    refused(world.nested, lambda: world.nested.append([1, "x"]), "nested", 2, 1)
    refused(world.maybe, lambda: world.maybe.append("x"), "maybe", 1)


def test_what_a_map_refuses(world: Any) -> None:
    table, lists = world.table, world.lists
    good = Item(x=5)
    refused(table, lambda: table.__setitem__("n", 3), "table", "n")
    refused(table, lambda: table.__setitem__("a", {"x": "y"}), "table", "a", "x")
    refused(table, lambda: table.__setitem__(3, good), "table", 3, "[key]")
    refused(table, lambda: table.__setitem__(None, good), "table", "None", "[key]")
    refused(table, lambda: table.update({"n": good, "o": {"x": []}}), "table", "o", "x")
    refused(table, lambda: table.update(n=good, o=1), "table", "o")
    refused(table, lambda: table.update(iter([("n", good), ("o", 1)])), "table", "o")
    refused(table, lambda: table.__ior__([("n", good), (3, good)]), "table", 3, "[key]")
    refused(table, lambda: table.setdefault("n"), "table", "n")
    refused(lists, lambda: lists.__setitem__(2, [good, {"x": 1, "parts": [10]}]), "lists", 2, 1, "parts", 0)
    with pytest.raises(TypeError, match="unhashable"):
        table[[1]] = good
    with pytest.raises(TypeError, match="unhashable"):
        table.update([([1], good)])
    with pytest.raises(ValueError, match="#1 has length 3; 2 is required"):
        table.update([("n", good), ("a", good, 3)])
    assert "n" not in table


def test_what_is_converted_and_what_stays_itself(world: Any, tmp_path: Path) -> None:
    item = Item(x=9)
    world.numbers.append("5")
    world.numbers[0:0] = ["6", 7.0]
    world.items.append(item)
    world.items.append({"x": "8", "parts": ("1",)})
    world.items.append(world.items[0])
    world.points.append(point := Point(x=4))
    world.nested[0] = ("1", 2)
    world.table["z"] = item
    world.table.update({"y": {"x": 1}}, v=world.items[1])
    world.lists["7"] = (item, world.items[0])
    assert world.numbers[:2] == [6, 7] and world.numbers[-1] == 5 and type(world.numbers[1]) is int
    assert world.items[-3] is item is world.table["z"] and world.items[-2] == Item(x=8, parts=[1])
    assert world.items[-1] is world.items[0] and world.table["v"] is world.items[1]
    assert world.points[1] == point and world.points[1] is not point  # its config says so
    assert world.nested[0] == [1, 2] and world.lists[7] == [item, world.items[0]]
    default: dict[str, int] = {"x": 3}
    assert world.table.setdefault("w", default) is world.table["w"] == Item(x=3)
    assert world.table.setdefault("w", 5) is world.table["w"]  # not needed, so not looked at
    assert world.lists.setdefault("7", []) is world.lists[7] and len(world.lists) == 2


def test_collections_of_rows(tmp_path: Path, world: Any) -> None:
    for item in (world.items[0], world.table["a"]):
        assert isinstance(item.parts, LazyList)
        before = item.parts.load()
        with pytest.raises(ValidationError) as caught:
            item.parts.extend([1, 10])
        assert caught.value.title == "Item" and caught.value.errors()[0]["loc"] == ("parts", len(before) + 1)
        assert item.parts == before
        item.parts += ["4"]
        assert item.parts[-1] == 4


def test_the_config_of_the_model(tmp_path: Path) -> None:
    save(tmp_path / "s.par", Strict(numbers=[1], words={"a": "b"}))
    with Session(tmp_path / "s.par") as session:
        root: Any = session.root(Strict)
        refused(root.numbers, lambda: root.numbers.append("5"), "numbers", 1)
        refused(root.words, lambda: root.words.update([(1, "x")]), "words", 1, "[key]")
        root.words[" c "] = " d "
        root.words.update([["e", " f"]])
        assert root.words == {"a": "b", "c": "d", "e": "f"}


def test_generic_models_and_those_that_hold_themselves(tmp_path: Path) -> None:
    class Box(Model, Generic[T]):
        things: list[T] = Chunk(default_factory=list)

    class Folder(Model):
        inner: list[Folder] = Chunk(default_factory=list)
        box: Box[int]

    Folder.model_rebuild(_types_namespace={"Folder": Folder, "Box": Box})
    save(tmp_path / "f.par", Folder(inner=[Folder(box=Box[int](things=[1]))], box=Box[int](things=[1])))
    with Session(tmp_path / "f.par") as session:
        root: Any = session.root(Folder)
        with pytest.raises(ValidationError, match=r"things\.1"):
            root.box.things.append("x")
        root.inner[0].box.things.append("2")
        root.inner.append({"box": {"things": ["3"]}})
        with pytest.raises(ValidationError, match=r"inner\.2"):
            root.inner.append(5)
        session.commit()
    with Session.open(tmp_path / "f.par") as session:
        root = session.root(Folder)
        assert [folder.box.things.load() for folder in root.inner] == [[1, 2], [3]]


def test_a_validator_that_raises_otherwise_changes_nothing(tmp_path: Path) -> None:
    class Odd(Model):
        x: int

        @field_validator("x")
        @classmethod
        def fail(cls, value: int) -> int:
            if value == 13:
                raise RuntimeError("unlucky")
            return value

    class Odds(Model):
        all: list[Odd] = Chunk(default_factory=list)

    save(tmp_path / "o.par", Odds(all=[Odd(x=1)]))
    with Session(tmp_path / "o.par") as session:
        root: Any = session.root(Odds)
        with pytest.raises(RuntimeError, match="unlucky"):
            root.all.extend({"x": x} for x in (5, 13))
        assert root.all == [Odd(x=1)]


def test_no_validator_keeps_its_class_alive(tmp_path: Path) -> None:
    def use() -> weakref.ref[Any]:
        class Gone(Model):
            names: list[str] = Chunk(default_factory=list)

        save(tmp_path / "g.par", Gone(names=["a"]))
        with Session(tmp_path / "g.par") as session:
            session.root(Gone).names.append("b")
            session.commit()
        return weakref.ref(Gone)

    found = use()
    gc.collect()
    before = found()
    if before is not None:  # Pydantic or the registry may hold classes; then it must not be by the validator
        holders = [each for each in gc.get_referrers(before) if type(each).__name__ == "ItemSpec"]
        assert not holders


WRONG = [3, 1.5, None, b"key 1", ("a",), float("nan"), 10**30, object(), Opaque(), frozenset({1}), "\ud800", True]


@pytest.mark.parametrize("key", WRONG, ids=lambda key: type(key).__name__)
def test_a_key_of_another_type_is_not_there(world: Any, key: Any) -> None:
    table = world.table
    assert isinstance(table, LazyMap)
    assert key not in table and table.get(key) is None and table.get(key, 5) == 5 and table.pop(key, 6) == 6
    for ask in (lambda: table[key], lambda: table.__delitem__(key), lambda: table.pop(key)):
        with pytest.raises(KeyError):
            ask()


@pytest.mark.parametrize("key", [[1], {}, ("a", []), set()], ids=repr)
def test_a_key_that_cannot_be_hashed(world: Any, key: Any) -> None:
    table = world.table
    for ask in (lambda: table[key], lambda: key in table, lambda: table.get(key), lambda: table.pop(key, None)):
        with pytest.raises(TypeError, match="unhashable"):
            ask()

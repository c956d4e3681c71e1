"""Savepoints: what an object was when one began it is again, the same object, whoever holds it."""

from __future__ import annotations

import array
import copy
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from parcode_orm import Chunk, LazyMap, Model, Session, ShardedMap, dumps, load, loads
from parcode_orm.errors import DetachedError, EncodeError, ReadOnlyError, SessionError
from tests.effort import half
from tests.strategies import same

LARGE = 150  # rows: a table of its own; a small collection lies in its owner's row group


class Item(Model):
    model_config = ConfigDict(extra="allow")
    level: int = 0
    tags: list[str] = []
    kids: list[int] = Chunk(default=[])
    below: list[Item] = []
    _seen: list[int] = PrivateAttr(default_factory=list)


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int = 0
    one: Item = Item()
    apart: Item = Chunk(default=Item())
    inline: list[Item] = []
    pair: tuple[Item, list[int]] = (Item(), [])
    small: dict[str, Item] = ShardedMap(default={})
    big: dict[str, Item] = ShardedMap(default={})
    rows: list[Item] = Chunk(default=[])
    lists: list[list[int]] = Chunk(default=[])
    few: list[list[int]] = Chunk(default=[])
    array: NDArray[np.int64] = Chunk(default_factory=lambda: np.arange(3))


class Score(Model):
    best: int = 0


def items(count: int) -> dict[str, Item]:
    return {f"k{i}": Item(level=i, tags=[f"{i:0300}"], kids=[i], below=[Item(level=-i)]) for i in range(count)}


def world() -> World:
    return World(
        one=Item(level=1, kids=[1]),
        apart=Item(level=2, kids=[2]),
        inline=[Item(level=3, kids=[3])],
        pair=(Item(level=4), [4]),
        small=items(3),
        big=items(LARGE),
        rows=list(items(LARGE).values()),
        lists=[[i << 40] * 60 for i in range(LARGE)],
        few=[[1], [2]],
    )


WORLD = dumps(world())
FIXED: Any = {"uuid": UUID(int=7), "time_ns": 0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "w.par").write_bytes(WORLD)
    return tmp_path / "w.par"


class Failed(Exception):
    """What a block ends with."""


# Where an `Item` of a world is.
PLACES: dict[str, Callable[[Any], Any]] = {
    "one": lambda w: w.one,
    "apart": lambda w: w.apart,
    "inline": lambda w: w.inline[0],
    "tuple": lambda w: w.pair[0],
    "small": lambda w: w.small["k1"],
    "big": lambda w: w.big["k1"],
    "rows": lambda w: w.rows[7],
    "below": lambda w: w.big["k2"].below[0],
}


def spoil(item: Any) -> None:
    """Change an item in every way."""
    item.level, item.other = 99, [1]
    item.tags.append("lost")
    item.kids.append(99)
    item.below.append(Item())
    item._seen.append(9)
    item.model_fields_set.clear()
    object.__setattr__(item, "level", 100)
    del item.tags


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("known", ["unread", "read", "changed"])
@pytest.mark.parametrize("plain", [False, True])
def test_an_exception_brings_an_object_back(path: Path, place: str, known: str, plain: bool) -> None:
    reach = PLACES[place]
    with Session(path) as session:
        if plain:
            session.add(load(path, World), replace=True)
        root = session.root(World)
        if known != "unread":
            item, tags, kids = (found := reach(root)), found.tags, found.kids
        if known == "changed":
            tags.append("kept")
            kids.append(5)
            item.extra = [5]
            item._seen.append(5)
        expected = root.model_load()
        item_inside: Any = None
        with pytest.raises(Failed), session.begin_nested():
            item_inside = reach(root)
            spoil(item_inside)
            root.big.clear()
            root.small = {}
            root.rows.reverse()
            raise Failed
        assert session.root(World) is root
        assert same(root.model_load(), expected)
        assert reach(root) is item_inside
        if known != "unread":
            assert item is item_inside
            assert item.tags is tags and item.kids is kids
        item_inside.level = 7  # it is attached
        session.commit()
        reach(expected).level = 7
        assert same(load(path, World), expected)


def test_without_an_exception_changes_are_kept(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        with session.begin_nested() as savepoint:
            assert savepoint.is_active
            root.n = 5
            root.big["k1"].tags.append("kept")
        assert not savepoint.is_active
        session.commit()
    found = load(path, World)
    assert found.n == 5 and found.big["k1"].tags[-1] == "kept"


def test_an_inner_savepoint_that_was_kept_goes_with_the_outer_one(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        root.n = 1
        outer = session.begin_nested()
        root.n = 2
        with session.begin_nested():
            root.n = 3
            root.big["k5"].level = 3
        inner = session.begin_nested()
        root.n = 4
        inner.rollback()
        assert (root.n, root.big["k5"].level) == (3, 3)
        innermost = session.begin_nested()
        outer.rollback()
        assert not innermost.is_active
        assert (root.n, root.big["k5"].level) == (1, 5)


@pytest.mark.parametrize("end", ["commit", "rollback", "close", "savepoint.commit", "savepoint.rollback", "outer"])
def test_a_savepoint_that_ended_is_refused(path: Path, end: str) -> None:
    with Session(path) as session:
        session.root(World).n = 5
        outer = session.begin_nested()
        savepoint = session.begin_nested()
        whose: Any = {"savepoint": savepoint, "outer": outer}.get(end.split(".")[0], session)
        getattr(whose, "rollback" if end == "outer" else end.split(".")[-1])()
        assert not savepoint.is_active
        for use in (savepoint.commit, savepoint.rollback, savepoint.__enter__):
            with pytest.raises(SessionError, match="has ended"):
                use()


def test_a_commit_in_the_block_is_kept(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        with pytest.raises(Failed), session.begin_nested():
            root.n = 5
            session.commit()
            raise Failed
        assert root.n == load(path, World).n == 5


def test_a_revert_waits_for_the_end_of_the_savepoint(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        root.n = 5
        session.commit()
        savepoint = session.begin_nested()
        with pytest.raises(SessionError, match="savepoint is active"):
            session.revert(1)
        assert savepoint.is_active and root.n == 5
        savepoint.commit()
        session.revert(1)
        assert root.n == 0
    assert load(path, World).n == 0


def test_a_commit_that_failed_leaves_the_savepoint(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        with pytest.raises(EncodeError), session.begin_nested():
            root.big["k1"].level = "high"
            session.commit()
        session.commit()
        assert same(load(path, World), loads(WORLD, World))


def test_a_read_only_session_has_none(path: Path) -> None:
    with Session(path, read_only=True) as session, pytest.raises(ReadOnlyError):
        session.begin_nested()


def test_going_on_to_another_commit_is_refused(path: Path) -> None:
    with Session(path) as session, session.begin_nested(), pytest.raises(SessionError, match="savepoint is active"):
        session.refresh()


def test_a_savepoint_for_each_row_of_an_iteration(path: Path) -> None:
    with Session(path) as session:
        for row in session.root(World).rows:
            try:
                with session.begin_nested():
                    row.level += 1000
                    if row.level % 2:
                        raise Failed
            except Failed:
                pass
        session.commit()
    assert [row.level for row in load(path, World).rows] == [i if i % 2 else i + 1000 for i in range(LARGE)]


def test_the_roots_of_a_session(path: Path) -> None:
    with Session(path) as session:
        score = Score(best=1)
        session.add(score)
        session.commit()
        savepoint = session.begin_nested()
        found = session.root(World)
        found.n = 8
        session.delete(score)
        savepoint.rollback()
        assert session.root(Score) is score and not session.deleted
        assert session.root(World) is found and found.n == 0

        score.best = 5
        savepoint = session.begin_nested()
        session.add(Score(best=2), replace=True)
        session.expunge(found)
        savepoint.rollback()
        assert session.root(Score) is score and session.root(World) is found and not session.new
        found.n = 9
        session.commit()
        assert load(path, World).n == 9 and load(path, Score).best == 5


def test_a_root_that_was_read_again_after_an_expunge_is_nobodys(path: Path) -> None:
    with Session(path) as session:
        first = session.root(World)
        with pytest.raises(Failed), session.begin_nested():
            session.expunge(first)
            second = session.root(World)
            raise Failed
        assert session.root(World) is first
        second.n = 77
        session.commit()
    assert load(path, World).n != 77


def test_a_root_that_was_added_and_expired(tmp_path: Path) -> None:
    with Session(tmp_path / "w.par") as session:
        root, score = world(), Score()
        session.add(root)
        session.commit()
        root.n = 1
        big, one = root.big, root.one
        with pytest.raises(Failed), session.begin_nested():
            session.add(score)
            session.expire(root)
            root.big["k1"].level = 77
            raise Failed
        assert root.n == 1 and root.big is big and root.one is one and score not in session
        one.level = 5
        big["k2"].level = 6
        session.commit()
        found = load(tmp_path / "w.par", World)
        assert (found.n, found.one.level, found.big["k1"].level, found.big["k2"].level) == (1, 5, 1, 6)


def test_before_anything_is_stored() -> None:
    with Session(":memory:") as session:
        root = Score(best=1)
        session.add(root)
        with pytest.raises(Failed), session.begin_nested():
            root.best = 2
            session.add(Score(best=3), replace=True)
            raise Failed
        assert session.root(Score) is root and root.best == 1


def test_streams_into_stored_collections(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        root.big.update((f"s{i}", Item(level=i)) for i in range(9000))
        root.few.extend([i] for i in range(9000))  # a small list becomes a table
        big, few, small, lists = root.big, root.few, root.small, root.lists
        expected = root.model_load()
        with pytest.raises(Failed), session.begin_nested():
            big.update((f"k{i}", Item(level=-1)) for i in range(9000))
            big["s1"].level = 5
            few.extend([i] for i in range(9000))
            few[3].append(3)
            small.update((f"k{i}", Item(level=-1)) for i in range(9000))
            lists[:] = ([i] for i in range(9000))
            raise Failed
        assert (root.big, root.few, root.small, root.lists) == (big, few, small, lists)
        assert all(getattr(root, name) is each for name, each in [("big", big), ("few", few), ("small", small)])
        assert same(root.model_load(), expected)
        for each in (big, small, few, lists):
            each._check()
        session.commit()
        assert same(load(path, World), expected)


def test_a_collection_first_read_in_the_block_stays_attached(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        with pytest.raises(Failed), session.begin_nested():
            big, row = root.big, root.big["k3"]
            kids = row.kids
            row.level = 1000
            del root.big["k4"]
            raise Failed
        assert root.big is big and big["k3"] is row and row.kids is kids
        kids.append(8)
        big["new"] = Item(level=9)
        session.commit()
    found = load(path, World)
    assert found.big["k3"].kids == [3, 8] and found.big["k3"].level == 3 and found.big["new"].level == 9
    assert "k4" in found.big


def test_a_collection_that_is_part_of_nothing_refuses(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        with pytest.raises(Failed), session.begin_nested():
            root.small.update((f"k{i}", Item()) for i in range(9000))
            lost = root.small
            raise Failed
        assert isinstance(lost, LazyMap)
        try:
            lost["x"] = Item()
        except DetachedError:
            return
        session.commit()
        assert "x" in load(path, World).small


@pytest.mark.parametrize("name", ["small", "big"])
@pytest.mark.parametrize("added", [False, True])
def test_keys_that_came_and_went(path: Path, name: str, added: bool) -> None:
    with Session(path) as session:
        mapping = getattr(session.root(World), name)
        if added:
            mapping["early"] = Item(level=1)
        before = dict(mapping)
        for _ in range(2):
            with pytest.raises(Failed), session.begin_nested():
                mapping["late"] = Item(level=2)
                mapping["later"] = Item(level=3)
                mapping.pop("early", None)
                del mapping["k1"]
                mapping["k2"] = Item(level=4)
                raise Failed
            assert list(mapping) == list(before) and "late" not in mapping and mapping.get("later") is None
            assert all(mapping[key] is value for key, value in before.items())
            mapping._check()
        mapping["another"] = Item(level=5)
        assert mapping["another"].level == 5 and "late" not in mapping
        mapping._check()
        session.commit()
        assert list(getattr(load(path, World), name)) == [*before, "another"]


@pytest.mark.parametrize("name", ["few", "lists"])
def test_rows_that_came_and_went(path: Path, name: str) -> None:
    with Session(path) as session:
        rows = getattr(session.root(World), name)
        rows.append([1])
        rows[0] = [2]
        rows[1].append(3)
        before, contents = list(rows), rows.load()
        for expire in (False, True):
            with pytest.raises(Failed), session.begin_nested():
                rows.append([4])
                rows[0] = [5]
                rows[1].append(6)
                rows[-2].append(7)
                rows.insert(1, [8])
                if expire:
                    session.expire(rows)
                    rows[0].append(9)
                raise Failed
            assert all(a is b for a, b in zip(rows, before, strict=True))
            assert rows.load() == contents
            rows._check()
        rows[1].append(10)
        contents[1].append(10)
        session.commit()
        assert getattr(load(path, World), name) == contents


def test_one_stored_list_in_two_places(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        root.one.kids = [1 << 40 | i for i in range(20_000)]
        session.commit()
        session.rollback()
        root.apart.kids = root.one.kids
        session.commit()
    with Session(path) as session:
        root = session.root(World)
        one = root.one.kids
        with pytest.raises(Failed), session.begin_nested():
            apart = root.apart.kids
            assert apart.location == one.location
            raise Failed
        assert root.one.kids is one and root.apart.kids is apart and one is not apart


# -- kinds of values ---------------------------------------------------------------------------------------------------


class Plain(BaseModel):
    values: list[int] = []


@dataclass
class Data:
    values: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    values: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Slotted:
    values: list[int] = field(default_factory=list)


class Named(NamedTuple):
    values: list[int]


class Fixed(Model):
    model_config = ConfigDict(frozen=True)
    values: list[int] = []


class Kinds(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True, validate_assignment=True)
    number: int = 0
    plain: Plain = Plain()
    data: Data = Data()
    frozen: Frozen = Frozen()
    slotted: Slotted = Slotted()
    named: Named = Named([])
    fixed: Fixed = Fixed()
    numbers: set[int] = set()
    ordered: OrderedDict[str, int] = OrderedDict()
    default: defaultdict[str, list[int]] = defaultdict(list)
    array: NDArray[np.int64] = np.arange(3)
    anything: Any = None
    _lock: Any = PrivateAttr(default_factory=object)

    @cached_property
    def double(self) -> int:
        return self.number * 2


def kinds() -> Kinds:
    return Kinds(
        number=1,
        plain=Plain(values=[1]),
        data=Data([1]),
        frozen=Frozen([1]),
        slotted=Slotted([1]),
        named=Named([1]),
        fixed=Fixed(values=[1]),
        numbers={1},
        ordered=OrderedDict(a=1, b=2),
        default=defaultdict(list, a=[1]),
        array=np.arange(4),
        anything={"a": [1, {2}]},
    )


def _change_kinds(obj: Any) -> None:
    for each in (obj.plain, obj.data, obj.frozen, obj.slotted, obj.named, obj.fixed):
        each.values.append(2)
    obj.plain.values = []
    obj.data.values = []
    object.__setattr__(obj.frozen, "values", [])
    del obj.slotted.values
    object.__setattr__(obj.fixed, "values", [])
    obj.numbers.clear()
    obj.ordered.move_to_end("a")
    obj.default["b"].append(4)
    obj.array[1] = 7
    obj.anything["a"][1].add(3)
    obj.number = 50
    obj._lock = None
    del obj.double
    assert obj.double == 100


@pytest.mark.parametrize("stored", [False, True])
def test_every_kind_of_value_in_place(tmp_path: Path, stored: bool) -> None:
    with Session(tmp_path / "k.par") as session:
        obj = kinds()
        session.add(obj)
        if stored:
            session.commit()
            session.rollback()
        assert obj.double == 2
        held = {name: getattr(obj, name) for name in Kinds.model_fields}
        held["lock"] = obj._lock
        expected = obj.model_copy(deep=True)
        with pytest.raises(Failed), session.begin_nested():
            _change_kinds(obj)
            raise Failed
        assert all(getattr(obj, name) is held[name] for name in Kinds.model_fields)
        assert obj._lock is held["lock"] and obj.double == 2
        assert list(obj.ordered) == ["a", "b"] and list(reversed(obj.ordered)) == ["b", "a"]
        assert dumps(obj, **FIXED) == dumps(expected, **FIXED)
        session.commit()
        assert dumps(load(tmp_path / "k.par", Kinds), **FIXED) == dumps(expected, **FIXED)


def test_an_array_that_changed_its_shape() -> None:
    with Session(":memory:") as session:
        obj = kinds()
        session.add(obj)
        given = obj.array
        with session.begin_nested() as savepoint:
            given.resize((2, 5), refcheck=False)
            given.flags.writeable = False
            savepoint.rollback()
        assert obj.array is given and given.tolist() == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:Setting the dtype:DeprecationWarning")
def test_an_array_that_changed_its_type_is_told_of_and_all_else_is_back() -> None:
    with Session(":memory:") as session:
        obj = kinds()
        session.add(obj)
        with pytest.raises(SessionError, match="ndarray: its dtype was int64"), session.begin_nested():
            obj.array.dtype = np.dtype("float64")  # type: ignore[misc]
            obj.numbers.add(5)
            obj.number = 7
            raise Failed
        assert obj.numbers == {1} and obj.number == 1


class Wallet:
    """Changes by its attributes, and is equal to nothing but itself."""

    def __init__(self) -> None:
        self.coins = 1


class Tag(str):
    """A text that may have attributes: a value all the same, as it has a hash of its own."""


OTHERS: dict[str, Callable[[], Any]] = {
    "array.array": lambda: array.array("i", [1]),
    "builtins.bytearray": lambda: bytearray(b"abc"),
    "collections.deque": lambda: deque([1]),
    "tests.session.test_nested.Wallet": Wallet,
    "numpy.ndarray": lambda: np.array([[1], {}], object),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_object_that_cannot_be_brought_back_is_refused_with_its_path(name: str) -> None:
    with Session(":memory:") as session:
        obj = kinds()
        obj.anything = {"a": [0, OTHERS[name]()]}
        session.add(obj)
        with pytest.raises(SessionError, match=rf"Kinds\.anything\['a'\]\[1\] is a {name}, .* do without a savepoint"):
            session.begin_nested()
        obj.anything = Tag("a")
        obj._lock = array.array("i", [1])  # private: nothing that is stored
        session.begin_nested().rollback()


def test_a_failed_assignment_in_a_block_that_goes_on(tmp_path: Path) -> None:
    with Session(tmp_path / "k.par") as session:
        obj = kinds()
        session.add(obj)
        with pytest.raises(ValidationError), session.begin_nested():
            obj.number = 4
            obj.number = "four"  # type: ignore[assignment]
        assert obj.number == 1


def test_objects_of_another_session_are_left_alone(path: Path, tmp_path: Path) -> None:
    (tmp_path / "o.par").write_bytes(WORLD)
    with Session(path) as session, Session(tmp_path / "o.par") as other:
        root, theirs = session.root(World), other.root(World)
        root.one = theirs.one
        with pytest.raises(Failed), session.begin_nested():
            theirs.one.level = 40
            root.one = Item()
            raise Failed
        assert root.one is theirs.one and theirs.one.level == 40


# -- anything, against copies ------------------------------------------------------------------------------------------

NAMES = ["k0", "k1", "k2", "k70", "k149", "new", "newer"]
CHANGES: dict[str, Callable[[Any, int], Any]] = {
    "level": lambda x, n: setattr(x, "level", n),
    "tags": lambda x, n: x.tags.append(str(n)),
    "new tags": lambda x, n: setattr(x, "tags", [str(n)]),
    "kids": lambda x, n: x.kids.append(n),
    "no kids": lambda x, n: x.kids.clear(),
    "extra": lambda x, n: setattr(x, "more", [n]),
    "private": lambda x, n: x._seen.append(n),
    "below": lambda x, n: x.below.append(Item(level=n)),
    "in below": lambda x, n: [each.tags.append(str(n)) for each in x.below],
    "fields set": lambda x, n: x.model_fields_set.discard("level"),
    "object": lambda x, n: object.__setattr__(x, "level", n),
}
ON_ROOT: dict[str, Callable[[Any, int, Any], Any]] = {
    "n": lambda w, n, item: setattr(w, "n", n),
    "one": lambda w, n, item: setattr(w, "one", item),
    "set": lambda w, n, item: w.big.__setitem__(NAMES[n % 7], item),
    "set small": lambda w, n, item: w.small.__setitem__(NAMES[n % 7], item),
    "pop": lambda w, n, item: w.big.pop(NAMES[n % 7], None),
    "pop small": lambda w, n, item: w.small.pop(NAMES[n % 7], None),
    "stream": lambda w, n, item: w.big.update((f"s{i}", Item(level=n)) for i in range(n, n + 3)),
    "append": lambda w, n, item: w.rows.append(item),
    "insert": lambda w, n, item: w.rows.insert(n % 9, item),
    "delete": lambda w, n, item: w.rows.__delitem__(slice(n, n + 2)),
    "reverse": lambda w, n, item: w.rows.reverse(),
    "inline": lambda w, n, item: w.inline.append(item),
    "lists": lambda w, n, item: w.lists[n].append(n),
    "few": lambda w, n, item: w.few.append([n]),
    "in few": lambda w, n, item: w.few[0].append(n),
    "array": lambda w, n, item: w.array.__setitem__(0, n),
    "swap": lambda w, n, item: (
        (setattr(w, "small", w.big), setattr(w, "big", {"k1": item}))
        if isinstance(w.small, LazyMap) and n == 0
        else None
    ),
    "replace": lambda w, n, item: setattr(w, "small", {"k0": item}),
    "forget": lambda w, n, item: setattr(w, "inline", []),
}
REACH: list[Callable[[Any, int], Any]] = [
    lambda w, n: w.one,
    lambda w, n: w.apart,
    lambda w, n: w.inline[0] if w.inline else None,
    lambda w, n: w.pair[0],
    lambda w, n: w.small.get(NAMES[n % 7]),
    lambda w, n: w.big.get(NAMES[n % 7]),
    lambda w, n: w.rows[n] if len(w.rows) > n else None,
    lambda w, n: w.rows[n].below[0] if len(w.rows) > n and w.rows[n].below else None,
]
STEP = st.one_of(
    st.tuples(st.just("item"), st.integers(0, 7), st.sampled_from(sorted(CHANGES)), st.integers(0, 9)),
    st.tuples(st.just("root"), st.just(0), st.sampled_from(sorted(ON_ROOT)), st.integers(0, 9)),
    st.tuples(st.just("hold"), st.integers(0, 7), st.just(""), st.integers(0, 9)),
    st.tuples(st.just("held"), st.integers(0, 7), st.sampled_from(sorted(CHANGES)), st.integers(0, 9)),
    st.tuples(st.sampled_from(["commit", "look"]), st.just(0), st.just(""), st.just(0)),
)
STEPS = st.lists(STEP, max_size=6)
BLOCKS: Any = st.recursive(  # the steps in a savepoint, whether it goes back, and the steps after it
    st.tuples(STEPS, st.booleans(), STEPS),
    lambda inner: st.tuples(st.tuples(STEPS, inner, STEPS), st.booleans(), STEPS),
    max_leaves=3,
)


class Both:
    """A session, and plain objects to which the same is done; these are copied whole at each savepoint."""

    def __init__(self, path: Path, plain: bool) -> None:
        self.path = path
        path.write_bytes(WORLD)
        self.session = Session(path)
        if plain:
            self.session.add(loads(WORLD, World), replace=True)
        self.root = self.session.root(World)
        # `held`: pairs of objects that variables hold. A copy of both keeps what they share.
        self.plain, self.held = loads(WORLD, World), list[Any]()
        self.mine: list[Any] = []

    def do(self, what: str, where: int, change: str, n: int) -> None:
        if what == "item":
            if change == "object":  # no hook sees it: it is found in what somebody holds
                self.do("hold", where, "", n)
            for root in (self.root, self.plain):
                found = REACH[where](root, n)
                if found is not None:
                    CHANGES[change](found, n)
        elif what == "root":
            new = Item(level=n, tags=["new"])
            ON_ROOT[change](self.root, n, new)
            there = copy.deepcopy(new)
            ON_ROOT[change](self.plain, n, there)
        elif what == "hold":
            found = REACH[where](self.root, n)
            if found is not None:
                self.mine.append(found)
                self.held.append(REACH[where](self.plain, n))
        elif what == "held" and self.mine:
            at = where % len(self.mine)
            CHANGES[change](self.mine[at], n)
            CHANGES[change](self.held[at], n)
        elif what == "commit":
            self.session.commit()
            assert same(load(self.path, World), self.plain)
        elif what == "look":
            assert same(self.root.model_load(), self.plain)

    def run(self, steps: Any) -> None:
        """Do `steps`; a block is one that has a block in its middle."""
        if isinstance(steps, list):
            for step in steps:
                self.do(*step)
            return
        before, block, after = steps
        self.run(before)
        self.nested(block)
        self.run(after)

    def nested(self, block: Any) -> None:
        steps, back, after = block
        plain, held = copy.deepcopy((self.plain, self.held))
        mine = list(self.mine)
        savepoint = self.session.begin_nested()
        self.run(steps)
        if savepoint.is_active:  # no commit came in between
            if back:
                self.go_back(savepoint, plain, held, mine)
            else:
                savepoint.commit()
        self.run(after)

    def go_back(self, savepoint: Any, plain: World, held: list[Any], mine: list[Any]) -> None:
        known = savepoint._state.memento.known
        ours = [id(each) in known for each in mine]  # others had been taken out of the world, and stay as they are
        savepoint.rollback()
        self.plain = plain
        self.held, self.mine = (list(compress(each, ours)) for each in (held, mine))
        assert same(self.root.model_load(), self.plain)
        for each, there in zip(self.mine, self.held, strict=True):
            assert same(each.model_load(), there)
        for name in ("small", "big", "rows", "lists", "few"):
            collection = getattr(self.root, name)
            if hasattr(collection, "_check"):
                collection._check()

    def finish(self) -> None:
        self.session.commit()
        assert same(load(self.path, World), self.plain)
        self.session.close()


@pytest.mark.once
@half()
@given(plain=st.booleans(), before=STEPS, block=BLOCKS)
def test_savepoints_against_copies(
    tmp_path_factory: pytest.TempPathFactory, plain: bool, before: list[Any], block: Any
) -> None:
    both = Both(tmp_path_factory.mktemp("w") / "w.par", plain)
    try:
        both.run((before, block, []))
        both.finish()
    finally:
        both.session.close()

"""Lazy lists and maps against `list` and `dict`: every method, commits, rollbacks and reopenings between.

Every rule does the same to a session's collections and to plain ones, compares what both give or raise, then what both
hold. `_check()` of every structure in memory runs between. One machine has small constants, so that few rows make tall
trees and full stacks of index runs; the other real ones and collections of thousands of rows.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import BaseModel

from parcode_orm import Chunk, LazyList, LazyMap, Model, ShardedMap, load
from parcode_orm.errors import EncodeError
from parcode_orm.lazy.proxy import decoded, is_proxy
from parcode_orm.tuning import TUNING
from tests.effort import EXAMPLES, THOROUGH
from tests.small import Tuned, small_caches, tuned
from tests.strategies import same


class Item(Model):
    level: int = 0
    tags: list[str] = []
    marks: list[int] = []


class Player(Model):
    score: int = 0
    numbers: list[int] = Chunk(default=[])
    items: dict[str, Item] = ShardedMap(default={})


class World(Model):
    ints: list[int] = Chunk(default=[])
    rows: list[list[int]] = Chunk(default=[])
    items: list[Item] = Chunk(default=[])
    more: list[Item] = Chunk(default=[])
    teams: list[Player] = Chunk(default=[])
    by_name: dict[str, Item] = ShardedMap(default={})
    other: dict[str, Item] = ShardedMap(default={})
    texts: dict[int, str] = ShardedMap(default={})
    floats: dict[float, int] = ShardedMap(default={})
    moments: dict[datetime, int] = ShardedMap(default={})
    pairs: dict[tuple[int, str], int] = ShardedMap(default={})
    decimals: dict[Decimal, int] = ShardedMap(default={})
    players: dict[str, Player] = ShardedMap(default={})


# What the collections hold: of lists the kind of their items, of maps those of keys and values.
FIELDS: dict[str, tuple[str, ...]] = {
    "ints": ("int",), "rows": ("list",), "items": ("item",), "more": ("item",), "teams": ("player",),
    "by_name": ("name", "item"), "other": ("name", "item"), "texts": ("number", "text"), "floats": ("float", "int"),
    "moments": ("moment", "int"), "pairs": ("pair", "int"), "decimals": ("decimal", "int"),
    "players": ("name", "player"),
}  # fmt: skip
NAMES = sorted(FIELDS)
ZONE = timezone(timedelta(hours=2))
KEYS: dict[str, Callable[[int], Any]] = {
    "name": lambda n: f"k{n}",
    "number": lambda n: n - 3,
    "float": lambda n: n / 4,
    "moment": lambda n: datetime.fromtimestamp(n // 2, (UTC, ZONE)[n % 2]),
    "pair": lambda n: (n // 3, "abc"[n % 3]),
    "decimal": lambda n: Decimal(f"{n // 2}.5" + "0" * (n % 2)),
}
VALUES: dict[str, Callable[[int], Any]] = {
    "int": lambda n: n * n - 50,
    "text": lambda n: f"text {n}",
    "list": lambda n: [n] * (n % 4),
    "item": lambda n: Item(level=n, tags=[f"tag {n}"] * (n % 3), marks=[n] * (n % 2)),
    "player": lambda n: Player(
        score=n,
        numbers=list(range(n % 19)),
        items={f"k{i}": Item(level=i) for i in range(n % 5)} if n % 2 else {},
    ),
}
CHANGES: dict[type, Callable[[Any, int], Any]] = {
    list: lambda x, n: x.append(n),
    Item: lambda x, n: x.tags.append(str(n)) if n % 2 else setattr(x, "level", n),
    Player: lambda x, n: setattr(x, "score", n),
}


def ordered(kind: str) -> Callable[[Any], Any]:
    return {
        "int": lambda x: x % 5, "list": lambda x: x, "item": lambda x: x.level % 5, "player": lambda x: -x.score
    }[kind]  # fmt: skip


COUNTS = st.integers(0, 30)
PLACES = st.integers(0, 1 << 16)
INDEXES = st.integers(-6, 6) | st.integers(-60, 60)
SLICES = st.builds(slice, st.none() | INDEXES, st.none() | INDEXES, st.none() | st.integers(-4, 4))

# What can be done to a list: the target, an index, a slice, values to put there, the kind of its items.
LIST_CHANGES: dict[str, Callable[[Any, int, slice, list[Any], str], Any]] = {
    "set": lambda x, i, s, v, k: x.__setitem__(i, v[0]),
    "set slice": lambda x, i, s, v, k: x.__setitem__(s, v),
    "set whole slice": lambda x, i, s, v, k: x.__setitem__(slice(s.start, s.stop), iter(v)),
    "set as many": lambda x, i, s, v, k: x.__setitem__(s, (v * len(x))[: len(range(*s.indices(len(x))))]),
    "set itself": lambda x, i, s, v, k: x.__setitem__(slice(s.start, s.stop), x) if len(x) < 200 else None,
    "del": lambda x, i, s, v, k: x.__delitem__(i),
    "del slice": lambda x, i, s, v, k: x.__delitem__(s),
    "insert": lambda x, i, s, v, k: x.insert(i, v[0]),
    "append": lambda x, i, s, v, k: x.append(v[0]),
    "extend": lambda x, i, s, v, k: x.extend(iter(v)),
    "extend by itself": lambda x, i, s, v, k: x.extend(x[:20]),
    "+=": lambda x, i, s, v, k: x.__iadd__(v) is x,
    "pop": lambda x, i, s, v, k: x.pop(),
    "pop at": lambda x, i, s, v, k: x.pop(i),
    "remove": lambda x, i, s, v, k: x.remove(v[0]),
    "reverse": lambda x, i, s, v, k: x.reverse(),
    "sort": lambda x, i, s, v, k: x.sort(key=ordered(k), reverse=i < 0),
    "sort plainly": lambda x, i, s, v, k: x.sort(reverse=i < 0) if k in ("int", "list") else None,
    "clear": lambda x, i, s, v, k: x.clear() if i == 3 else None,
}
STREAMS = {"set whole slice", "extend", "update by pairs"}  # what a stream gave may have left memory: nobody holds it
LIST_READS: dict[str, Callable[[Any, int, slice, list[Any], str], Any]] = {
    "get": lambda x, i, s, v, k: x[i],
    "get slice": lambda x, i, s, v, k: x[s],
    "index": lambda x, i, s, v, k: x.index(v[0], i),
    "index up to": lambda x, i, s, v, k: x.index(v[0], i, s.stop or 9),
    "count": lambda x, i, s, v, k: x.count(v[0]),
    "in": lambda x, i, s, v, k: v[0] in x,
    "iterate": lambda x, i, s, v, k: list(x),
    "reversed": lambda x, i, s, v, k: list(reversed(x)),
    "copy": lambda x, i, s, v, k: x.copy(),
    "+": lambda x, i, s, v, k: x + v,
    "added": lambda x, i, s, v, k: v + x,
    "==": lambda x, i, s, v, k: (x == list(x), x == v, x != v, x == [*x, *v], bool(x)),
    "repr": lambda x, i, s, v, k: repr(x) if len(x) <= 100 else None,
}
# What can be done to a map: the target, a key, a dictionary, a value.
MAP_CHANGES: dict[str, Callable[[Any, Any, dict[Any, Any], Any], Any]] = {
    "set": lambda x, k, d, v: x.__setitem__(k, v),
    "set two": lambda x, k, d, v: (x.__setitem__(k, v), x.__setitem__(k, v)),
    "del": lambda x, k, d, v: x.__delitem__(k),
    "pop": lambda x, k, d, v: x.pop(k),
    "pop or": lambda x, k, d, v: x.pop(k, None),
    "popitem": lambda x, k, d, v: x.popitem(),
    "setdefault": lambda x, k, d, v: x.setdefault(k, v),
    "update": lambda x, k, d, v: x.update(d),
    "update by pairs": lambda x, k, d, v: x.update(iter(d.items())),
    "update by itself": lambda x, k, d, v: x.update(x),
    "|=": lambda x, k, d, v: x.__ior__(d) is x,
    "move to the end": lambda x, k, d, v: x.__setitem__(k, x.pop(k)),
    "clear": lambda x, k, d, v: x.clear() if len(d) == 3 else None,
}
MAP_READS: dict[str, Callable[[Any, Any, dict[Any, Any], Any], Any]] = {
    "get": lambda x, k, d, v: x[k],
    "get or": lambda x, k, d, v: x.get(k, 7),
    "get or none": lambda x, k, d, v: x.get(k),
    "in": lambda x, k, d, v: (k in x, k in x.keys(), object() in x),
    "iterate": lambda x, k, d, v: [repr(key) for key in x],
    "keys": lambda x, k, d, v: (list(x.keys()), len(x.keys()), x.keys() & {k}, x.keys() - {k}),
    "values": lambda x, k, d, v: list(x.values()),
    "items": lambda x, k, d, v: (list(x.items()), (k, v) in x.items()),
    "reversed": lambda x, k, d, v: list(reversed(x)),
    "copy": lambda x, k, d, v: x.copy(),
    "|": lambda x, k, d, v: x | d,
    "joined": lambda x, k, d, v: d | x,
    "==": lambda x, k, d, v: (x == dict(x), x == d, x != d, x == {**x, k: v}, bool(x)),
    "unhashable": lambda x, k, d, v: x.get([]),
    "repr": lambda x, k, d, v: repr(x) if len(x) <= 100 else None,
}
RAISED = (IndexError, KeyError, ValueError, TypeError)


class Target:
    """A collection of the session's, the plain one that it is compared with, and the kinds of what it holds."""

    def __init__(self, mine: Any, plain: Any, kinds: tuple[str, ...]) -> None:
        self.mine = mine
        self.plain = plain
        self.kinds = kinds

    def both(self, do: Callable[..., Any], mine: tuple[Any, ...], plain: tuple[Any, ...]) -> list[Any]:
        """What `do` gives for the session's collection and for the plain one; the class of what it raises."""
        found = []
        for target, given in ((self.mine, mine), (self.plain, plain)):
            try:
                found.append(do(target, *given))
            except RAISED as error:
                found.append(type(error))
        assert found[0] == found[1], found
        return found

    def agree(self) -> None:
        mine = self.mine.load() if isinstance(self.mine, LazyList | LazyMap) else self.mine
        assert len(self.mine) == len(self.plain)
        assert mine == self.plain, (self.kinds, mine, self.plain)
        if isinstance(mine, dict):
            assert list(map(repr, mine)) == list(map(repr, self.plain))


class Iteration:
    """An iterator over a collection of the session's, and one over the plain one."""

    def __init__(self, target: Target, of: Callable[[Any], Iterator[Any]]) -> None:
        self.target = target
        self.mine = of(target.mine)
        self.plain = of(target.plain)


class CollectionsMachine(RuleBasedStateMachine):
    """Small constants; `held` are pairs of mutable values, `handles` collections, that variables hold."""

    sizes = (0, 1, 5, 20, 40)
    heavy = False

    def sizes_of(self, large: int) -> Tuned:
        self.stack.enter_context(small_caches())
        return tuned(large=large)

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "c.par"
        self.held: list[tuple[Any, Any]] = []
        self.handles: list[Target] = []
        self.iterations: list[Iteration] = []
        self.checking = True
        self.shared = False  # whether one object may stand in two places

    @initialize(
        sizes=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4), max_size=5),
        large=st.sampled_from([0, 64, 64, 600, 1 << 15]),
        checking=st.booleans(),
    )
    def begin(self, sizes: dict[str, int], large: int, checking: bool) -> None:
        self.checking = checking
        self.Session = self.sizes_of(large).Session
        with self.Session(self.path, durability="fast") as session:
            session.add(self.make(sizes))
            session.commit()
        self.open()

    def make(self, sizes: dict[str, int]) -> World:
        world = World()
        for name, at in sizes.items():
            kinds = FIELDS[name]
            count = self.sizes[at]
            if kinds[-1] == "player":
                count = min(count, 7)
            if len(kinds) == 1:
                setattr(world, name, [VALUES[kinds[0]](n) for n in range(count)])
            else:
                setattr(world, name, {KEYS[kinds[0]](n): VALUES[kinds[1]](n) for n in range(count)})
        return world

    def open(self) -> None:
        self.session = self.Session(self.path, durability="fast", workers=0)
        self.start_again()
        self.added = False  # whether the root was plain when this session, or one before, got it

    def start_again(self) -> None:
        """What aliased each other does so no more."""
        self.shared = False
        self.held.clear()
        self.handles.clear()
        self.iterations.clear()
        self.world = self.session.root(World)
        self.plain = load(self.path, World)

    # -- reaching things ---------------------------------------------------------------------------------------------

    def player(self, where: int) -> tuple[Any, Any]:
        """A player, and the oracle's."""
        if where % 2 and self.plain.teams:
            at = where // 2 % len(self.plain.teams)
            return self.world.teams[at], self.plain.teams[at]
        if self.plain.players:
            key = list(self.plain.players)[where // 2 % len(self.plain.players)]
            return self.world.players[key], self.plain.players[key]
        return VALUES["player"](3), VALUES["player"](3)

    def target(self, where: int, size: int) -> Target:
        """A collection: of lists `size` is 1, of maps 2."""
        names = [name for name in NAMES if len(FIELDS[name]) == size]
        handles = [each for each in self.handles if len(each.kinds) == size]
        how, where = where % 4, where // 4
        if how == 0 and handles:
            return handles[where % len(handles)]
        if how == 1:
            name, kinds = ("numbers", ("int",)) if size == 1 else ("items", ("name", "item"))
            mine, plain = self.player(where)
        else:
            name = names[where % len(names)]
            mine, plain, kinds = self.world, self.plain, FIELDS[name]
        return Target(getattr(mine, name), getattr(plain, name), kinds)

    def value(self, kind: str, n: int, how: int) -> tuple[Any, Any]:
        """A value of this kind, twice: a new one, or one that is somewhere already.

        A plain list is always a new one that nobody holds, as Pydantic's validation copies it.
        """
        self.shared |= kind in ("item", "player")
        if how and kind in ("item", "player"):
            cls = {"item": Item, "player": Player}[kind]
            held = [pair for pair in self.held if type(pair[1]) is cls]
            if how == 1 and held:
                return held[n % len(held)]
            names = [name for name in NAMES if FIELDS[name][-1] == kind]
            name = names[n % len(names)]
            mine, plain = getattr(self.world, name), getattr(self.plain, name)
            if plain:
                place = n * 7 % len(plain)
                key = place if isinstance(plain, list) else list(plain)[place]
                return mine[key], plain[key]
        pair = VALUES[kind](n), VALUES[kind](n)
        if how == 3 and kind != "list":
            self.hold(*pair)
        return pair

    def values(self, kind: str, given: list[tuple[int, int]]) -> tuple[list[Any], list[Any]]:
        pairs = [self.value(kind, n, how) for n, how in given]
        return [mine for mine, _ in pairs], [plain for _, plain in pairs]

    def hold(self, mine: Any, plain: Any) -> None:
        """Hold what can be changed in place."""
        if type(plain) in CHANGES and mine is not plain:
            self.held.append((mine, plain))
            del self.held[:-12]

    # -- collections ---------------------------------------------------------------------------------------------------

    GIVEN = st.tuples(COUNTS, st.sampled_from([0, 0, 0, 1, 2, 3]))

    @rule(
        where=PLACES,
        what=st.sampled_from(sorted(LIST_CHANGES)),
        index=INDEXES,
        part=SLICES,
        given=st.lists(GIVEN, min_size=1, max_size=9),
    )
    def change_list(self, where: int, what: str, index: int, part: slice, given: list[tuple[int, int]]) -> None:
        target = self.target(where, 1)
        kind = target.kinds[0]
        if what in STREAMS:
            given = [(n, 0) for n, _ in given]
        mine, plain = self.values(kind, given)
        size = len(target.plain)
        found = target.both(LIST_CHANGES[what], (index, part, mine, kind), (index, part, plain, kind))
        self.changed(target, size, what not in ("set", "set as many"))
        if what.startswith("pop"):
            self.hold(*found)

    @rule(where=PLACES, what=st.sampled_from(sorted(LIST_READS)), index=INDEXES, part=SLICES, given=GIVEN)
    def read_list(self, where: int, what: str, index: int, part: slice, given: tuple[int, int]) -> None:
        target = self.target(where, 1)
        kind = target.kinds[0]
        mine, plain = self.values(kind, [given])
        found = target.both(LIST_READS[what], (index, part, mine, kind), (index, part, plain, kind))
        if what == "get":
            self.hold(*found)
        elif what == "get slice" and isinstance(found[1], list):
            for pair in zip(*found, strict=True):
                self.hold(*pair)

    @rule(
        where=PLACES,
        what=st.sampled_from(sorted(MAP_CHANGES)),
        n=PLACES,
        given=st.lists(st.tuples(PLACES, GIVEN), min_size=1, max_size=9),
    )
    def change_map(self, where: int, what: str, n: int, given: list[tuple[int, tuple[int, int]]]) -> None:
        target = self.target(where, 2)
        key = self.key(target, n)
        values = [(each[0], 0) if what in STREAMS else each for _, each in given]
        mine, plain = self.values(target.kinds[1], values)
        keys = [self.key(target, each) for each, _ in given]
        size = len(target.plain)
        found = target.both(
            MAP_CHANGES[what],
            (key, dict(zip(keys, mine, strict=True)), mine[-1]),
            (key, dict(zip(keys, plain, strict=True)), plain[-1]),
        )
        self.changed(target, size, what not in ("set", "set two"))
        if what in ("pop", "pop or", "setdefault"):
            self.hold(*found)
        elif what == "popitem" and isinstance(found[1], tuple):
            assert repr(found[0][0]) == repr(found[1][0])
            self.hold(found[0][1], found[1][1])

    def key(self, target: Target, n: int) -> Any:
        """A key: in the map, or perhaps not."""
        if n % 3 and target.plain:
            return list(target.plain)[n // 3 % len(target.plain)]
        return KEYS[target.kinds[0]](n // 3 % (2 * max(self.sizes)))

    @rule(where=PLACES, what=st.sampled_from(sorted(MAP_READS)), n=PLACES, given=GIVEN)
    def read_map(self, where: int, what: str, n: int, given: tuple[int, int]) -> None:
        target = self.target(where, 2)
        key = self.key(target, n)
        mine, plain = self.values(target.kinds[1], [given])
        found = target.both(MAP_READS[what], (key, {key: mine[0]}, mine[0]), (key, {key: plain[0]}, plain[0]))
        if what == "get":
            self.hold(*found)
        elif what == "values":
            for pair in list(zip(*found, strict=True))[-3:]:
                self.hold(*pair)

    def changed(self, target: Target, size: int, structure: bool) -> None:
        """After a change: both agree, and who iterates over the collection is told."""
        target.agree()
        for each in list(self.iterations):
            if each.target.plain is target.plain and (structure or len(target.plain) != size):
                self.iterations.remove(each)
                if len(target.plain) != size and isinstance(target.mine, LazyList | LazyMap):
                    try:
                        next(each.mine)
                    except (RuntimeError, StopIteration):
                        continue
                    raise AssertionError("a collection that changed its size is iterated over")

    @rule(where=PLACES, size=st.sampled_from([1, 2]))
    def columns(self, where: int, size: int) -> None:
        target = self.target(where, size)
        if not isinstance(target.mine, LazyList | LazyMap):
            return
        values = list(target.plain.values() if size == 2 else target.plain)
        if target.kinds[-1] == "item":
            assert target.mine.column("level").tolist() == [each.level for each in values]
            assert target.mine.column("tags").tolist() == [each.tags for each in values]
        elif target.kinds[-1] == "player":
            assert target.mine.column("score").tolist() == [each.score for each in values]
        elif size == 1 and target.kinds[0] == "int":
            assert target.mine.to_numpy().tolist() == values

    # -- what is held ------------------------------------------------------------------------------------------------

    @rule(number=PLACES, n=COUNTS)
    @precondition(lambda self: self.held)
    def change_held(self, number: int, n: int) -> None:
        mine, plain = self.held[number % len(self.held)]
        assert mine == plain
        for each in (mine, plain):
            CHANGES[type(plain)](each, n)
        assert mine == plain

    @rule(where=PLACES, size=st.sampled_from([1, 2]))
    def hold_collection(self, where: int, size: int) -> None:
        self.handles.append(self.target(where, size))
        del self.handles[:-4]

    @rule(where=PLACES)
    def let_go(self, where: int) -> None:
        self.held.clear()
        if where % 2:
            self.handles.clear()
            self.iterations.clear()

    @rule(where=PLACES, size=st.sampled_from([1, 2]), how=st.integers(0, 2))
    def iterate(self, where: int, size: int, how: int) -> None:
        target = self.target(where, size)
        of: Callable[[Any], Iterator[Any]] = iter
        if size == 2 and how:
            of = (lambda x: iter(x.values())) if how == 1 else lambda x: iter(x.items())
        self.iterations.append(Iteration(target, of))
        del self.iterations[:-4]

    @rule(number=PLACES, steps=st.integers(1, 12))
    @precondition(lambda self: self.iterations)
    def go_on(self, number: int, steps: int) -> None:
        each = self.iterations[number % len(self.iterations)]
        for _ in range(steps):
            missing = object()
            mine, plain = next(each.mine, missing), next(each.plain, missing)
            assert mine is plain or mine == plain, (mine, plain)
            if plain is missing:
                self.iterations.remove(each)
                return
            pair = (mine, plain) if type(plain) is not tuple or len(each.target.kinds) == 1 else (mine[1], plain[1])
            self.hold(*pair)

    # -- moving ------------------------------------------------------------------------------------------------------

    @rule(pair=st.sampled_from([("items", "more"), ("by_name", "other")]), how=st.sampled_from(["swap", "share"]))
    def move_collections(self, pair: tuple[str, str], how: str) -> None:
        self.shared = True
        for each in (self.world, self.plain):
            first, second = (getattr(each, name) for name in pair)
            setattr(each, pair[0], second)
            if how == "swap":
                setattr(each, pair[1], first)

    @rule(where=PLACES, there=PLACES, how=st.integers(0, 3))
    def move_nested(self, where: int, there: int, how: int) -> None:
        self.shared = True
        for a, b, world in zip(self.player(where), self.player(there), (self.world, self.plain), strict=True):
            if how == 0:
                a.numbers, b.numbers = b.numbers, a.numbers
            elif how == 1:
                a.items = b.items
            elif how == 2:
                a.items = world.by_name
            else:
                world.ints = a.numbers

    @rule(where=PLACES, count=COUNTS, hold=st.booleans())
    def replace_nested(self, where: int, count: int, hold: bool) -> None:
        """A plain collection in a marked field of a row; perhaps a variable holds it from now on."""
        mine, plain = self.player(where)
        for each in (mine, plain):
            each.numbers = list(range(count))
            each.items = {f"k{n}": VALUES["item"](n) for n in range(count // 3)}
        if hold:
            self.handles.append(Target(mine.numbers, plain.numbers, ("int",)))
            self.handles.append(Target(mine.items, plain.items, ("name", "item")))
            del self.handles[:-4]

    @rule(
        sizes=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4), min_size=3, max_size=5),
        hold=st.lists(st.tuples(PLACES, st.sampled_from(["all", "row", "part"]), COUNTS), max_size=4),
        commit=st.booleans(),
    )
    def add_plain(self, sizes: dict[str, int], hold: list[tuple[int, str, int]], commit: bool) -> None:
        """A plain root in the place of the one before, of which variables hold rows, parts of rows and collections."""
        self.start_again()
        self.world, self.plain = self.make(sizes), self.make(sizes)
        self.session.add(self.world, replace=True)
        self.added = True
        for where, what, place in hold:
            self.hold_part(sorted(sizes)[where % len(sizes)], what, place)
        if commit:
            self.commit(False)

    def hold_part(self, name: str, what: str, place: int) -> None:
        pair = getattr(self.world, name), getattr(self.plain, name)
        if what == "all" or not pair[1]:
            self.handles.append(Target(*pair, FIELDS[name]))
            return
        place %= len(pair[1])
        mine, plain = (each[place if isinstance(each, list) else list(each)[place]] for each in pair)
        if what == "part" and isinstance(plain, Item):
            self.hold(mine.marks, plain.marks)
        elif what == "part" and isinstance(plain, Player):
            self.handles.append(Target(mine.numbers, plain.numbers, ("int",)))
        else:
            self.hold(mine, plain)

    @rule(n=COUNTS)
    @precondition(lambda self: self.held or self.handles)
    def change_all_held(self, n: int) -> None:
        for mine, plain in self.held:
            for each in (mine, plain):
                CHANGES[type(plain)](each, n)
        for target in self.handles:
            size = len(target.plain)
            values = VALUES[target.kinds[-1]](n), VALUES[target.kinds[-1]](n)
            if len(target.kinds) == 1:
                target.both(lambda x, value: x.append(value), values[:1], values[1:])
            else:
                key = KEYS[target.kinds[0]](n)
                target.both(lambda x, value, key=key: x.__setitem__(key, value), values[:1], values[1:])
            self.changed(target, size, True)
        self.commit(False)

    @rule(commit=st.booleans())
    @precondition(lambda self: self.added)
    def add_again(self, commit: bool) -> None:
        """Another session goes on with the objects that were added to the one before."""
        if commit:
            self.commit(False)
        self.session.close()
        self.session = self.Session(self.path, durability="fast", workers=0)
        self.session.add(self.world, replace=True)

    @rule(name=st.sampled_from(NAMES), count=COUNTS, stream=st.booleans(), hold=st.booleans())
    def replace(self, name: str, count: int, stream: bool, hold: bool) -> None:
        kinds = FIELDS[name]
        keys = [KEYS[kinds[0]](n) for n in range(count)] if len(kinds) == 2 else []
        for each in (self.world, self.plain):
            values = [VALUES[kinds[-1]](n) for n in range(count)]
            new: Any = dict(zip(keys, values, strict=True)) if len(kinds) == 2 else values
            if stream and each is self.world:
                new = iter(new.items()) if len(kinds) == 2 else iter(new)
            setattr(each, name, new)
        if stream:
            self.commit(False)
        if hold:
            self.handles.append(Target(getattr(self.world, name), getattr(self.plain, name), kinds))
            del self.handles[:-4]

    # -- the session -------------------------------------------------------------------------------------------------

    @rule(twice=st.booleans())
    def commit(self, twice: bool) -> None:
        self.session.commit()
        if twice:
            size = self.path.stat().st_size
            self.session.commit()
            # What stands in two places is written anew at each: an owner may find it elsewhere than it was.
            assert self.path.stat().st_size == size or self.shared
        self.check_file()

    @rule()
    def rollback(self) -> None:
        self.session.rollback()
        self.start_again()
        self.added = False

    @rule(commit=st.booleans())
    def reopen(self, commit: bool) -> None:
        if commit:
            self.commit(False)
        self.session.close()
        self.open()

    @rule(number=PLACES)
    @precondition(lambda self: any(isinstance(plain, Item) for _, plain in self.held))
    def fail_and_mend(self, number: int) -> None:
        items = [pair for pair in self.held if isinstance(pair[1], Item)]
        mine, plain = items[number % len(items)]
        mine.level = "high"
        try:
            self.session.commit()
        except EncodeError:
            pass
        mine.level = plain.level

    # -- checking ----------------------------------------------------------------------------------------------------

    def check_file(self) -> None:
        assert same(load(self.path, World), self.plain)
        self.walk()

    @invariant()
    def structures_are_sound(self) -> None:
        if self.checking and not self.heavy:
            self.walk()

    def walk(self) -> None:
        seen: set[int] = set()
        waiting: list[Any] = [self.world, *(each.mine for each in self.handles), *(mine for mine, _ in self.held)]
        while waiting:
            value = waiting.pop()
            if id(value) in seen or not isinstance(value, LazyList | LazyMap | BaseModel | list | dict):
                continue
            seen.add(id(value))
            if isinstance(value, LazyList | LazyMap):
                value._check()
                waiting += value._p_held_()
            elif isinstance(value, BaseModel):
                waiting += (decoded(value) if is_proxy(value) else vars(value)).values()
            elif isinstance(value, list | dict):
                waiting += value.values() if isinstance(value, dict) else value

    def teardown(self) -> None:
        if hasattr(self, "session"):
            for each in self.handles:
                each.agree()
            self.commit(True)
            for name in NAMES:
                Target(getattr(self.world, name), getattr(self.plain, name), FIELDS[name]).agree()
            self.session.close()
        self.stack.close()
        shutil.rmtree(self.directory)


class RealMachine(CollectionsMachine):
    """Real constants, and collections that take row groups, nodes and shards of real size."""

    sizes = (0, 3, 300, 6_000, 20_000)
    heavy = True

    def sizes_of(self, large: int) -> Tuned:
        return tuned(TUNING)


TestCollections = CollectionsMachine.TestCase
TestCollections.settings = settings(
    max_examples=EXAMPLES // 4 if THOROUGH else 12, stateful_step_count=50 if THOROUGH else 25
)
TestRealSizes = RealMachine.TestCase
TestRealSizes.settings = settings(max_examples=EXAMPLES // 20 if THOROUGH else 3, stateful_step_count=30)

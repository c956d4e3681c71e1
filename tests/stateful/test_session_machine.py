"""A session against plain objects: whatever is done to both, the file holds after a commit what the plain ones hold.

Every rule does the same to the session's objects and to plain copies of them, which alias each other in the same way.
Objects are reached by fresh paths or through variables that were filled before earlier commits.
"""

from __future__ import annotations

import copy
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import compress
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray
from pydantic import ConfigDict, PrivateAttr

from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, load, loads
from parcode_orm.errors import ConflictError, DetachedError, EncodeError
from parcode_orm.tuning import TUNING, Tuning
from tests.effort import EXAMPLES, THOROUGH
from tests.session.trees import Tree, edit_tree, tree
from tests.small import SMALL, small_caches, tuned
from tests.strategies import same

BIG = 110  # rows of over 320 bytes: stored as tables; the small ones lie in their owner's row group
BIG_WHEN_SMALL = 30  # with small sizes


class Inner(Model):
    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)
    level: int = 0
    tags: list[str] = []
    seen: set[int] = set()
    notes: dict[str, list[int]] = {}
    array: Optional[NDArray[np.int64]] = None  # noqa: UP045
    below: Optional[Inner] = None  # noqa: UP045
    kids: list[Inner] = Chunk(default=[])
    by_name: dict[str, int] = ShardedMap(default={})
    _private: list[int] = PrivateAttr(default_factory=list)


class Derived(Inner):
    more: list[int] = []


class Bag(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    number: int = 0
    text: str = ""
    one: Optional[Inner] = None  # noqa: UP045
    apart: Optional[Inner] = Chunk(default=None)  # noqa: UP045
    items: list[Inner] = []
    array: NDArray[np.int64] = Chunk(default=None)
    blob: bytes = Chunk(default=b"")
    small_map: dict[str, Inner] = ShardedMap(default={})
    large_map: dict[str, Inner] = ShardedMap(default={})
    other_map: dict[str, Inner] = ShardedMap(default={})
    small_list: list[Inner] = Chunk(default=[])
    large_list: list[Inner] = Chunk(default=[])
    numbers: dict[str, list[int]] = ShardedMap(default={})
    tree: Tree = Chunk(default=Tree())
    lists: list[list[int]] = Chunk(default=[])


class Left(Bag):
    pass


class Right(Bag):
    pass


MAPS = ["small_map", "large_map", "other_map"]
LISTS = ["small_list", "large_list", "items"]
ROOTS: list[type[Bag]] = [Left, Right]


def _inner(i: int) -> Inner:
    cls = Derived if i % 11 == 5 else Inner
    return cls(
        level=i, tags=[f"{i:04} " + "x" * 320], seen={i}, notes={"a": [i]}, kids=[Inner(level=-i)] * (i % 3 == 0)
    )


def _bag(cls: type[Bag], first: int, big: int) -> Bag:
    few, many = range(first, first + 3), range(first, first + big)
    return cls(
        number=first,
        text="text",
        one=_inner(first),
        apart=_inner(first + 1),
        items=[_inner(i) for i in few],
        array=np.arange(6000),
        blob=b"blob" * 10_000,
        small_map={f"k{i}": _inner(i) for i in few},
        large_map={f"k{i}": _inner(i) for i in many},
        other_map={f"k{i}": _inner(i + 7) for i in many},
        small_list=[_inner(i) for i in few],
        large_list=[_inner(i) for i in many],
        numbers={f"k{i}": [i, 1 << 60] * 20 for i in many},
        tree=tree(5, 4, 1),
        lists=[[i, 1 << 60] * 20 for i in many],
    )


@cache
def _template(sizes: Tuning) -> bytes:
    """A file of both roots."""
    big = BIG if sizes is TUNING else BIG_WHEN_SMALL
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "t.par"
        with tuned(sizes).Session(path) as session:
            for number, cls in enumerate(ROOTS):
                session.add(_bag(cls, number * 1000, big))
            session.commit()
        return path.read_bytes()


def _plain(sizes: Tuning) -> dict[type[Bag], Bag]:
    return {cls: loads(_template(sizes), cls) for cls in ROOTS}


TAGS = st.text(alphabet="abüñ", max_size=3)
INNERS = st.builds(
    lambda level, tags, derived: (
        Derived(level=level, tags=tags, more=[level]) if derived else Inner(level=level, tags=tags)
    ),
    st.integers(-5, 1 << 40),
    st.lists(TAGS, max_size=2),
    st.booleans(),
)
KEYS = st.sampled_from(["k0", "k1", "k2", "k50", "k99", "k1001", "k1050", "new", "newer"])
PLACES = st.integers(0, 1 << 16)

Change = Callable[[Any], Any]

# What can be done to an `Inner`, given a number.
CHANGES: dict[str, Callable[[Any, int], Any]] = {
    "level": lambda x, n: setattr(x, "level", n),
    "same": lambda x, n: setattr(x, "level", x.level),
    "tags": lambda x, n: setattr(x, "tags", [str(n)]),
    "append": lambda x, n: x.tags.append(str(n)),
    "clear": lambda x, n: x.tags.clear(),
    "seen": lambda x, n: x.seen.add(n),
    "unseen": lambda x, n: x.seen.clear(),
    "note": lambda x, n: x.notes.setdefault(str(n % 3), []).append(n),
    "inner note": lambda x, n: [values.append(n) for values in x.notes.values()],
    "array": lambda x, n: setattr(x, "array", np.arange(n % 5)),
    "in array": lambda x, n: x.array.__setitem__(slice(None), n) if x.array is not None else None,
    "extra": lambda x, n: setattr(x, "more_", [n]),
    "in extra": lambda x, n: x.more_.append(n) if "more_" in x.__pydantic_extra__ else None,
    "private": lambda x, n: x._private.append(n),
    "new private": lambda x, n: setattr(x, "_private", [n]),
    "below": lambda x, n: setattr(x, "below", Inner(level=n)),
    "none below": lambda x, n: setattr(x, "below", None),
    "in below": lambda x, n: x.below.tags.append(str(n)) if x.below is not None else None,
    "kids": lambda x, n: x.kids.append(Inner(level=n)),
    "in kids": lambda x, n: x.kids[0].tags.append(str(n)) if len(x.kids) else None,
    "no kids": lambda x, n: x.kids.clear(),
    "names": lambda x, n: x.by_name.update({str(n % 4): n}),
    "dict": lambda x, n: x.__dict__.update(level=n),
    "object": lambda x, n: object.__setattr__(x, "level", n),
    "fields set": lambda x, n: x.model_fields_set.discard("level"),
}


class SessionMachine(RuleBasedStateMachine):
    """`mine` are the session's roots, `plain` their oracle, `held` pairs of objects that variables hold."""

    sizes = TUNING

    def __init__(self) -> None:
        super().__init__()
        self.Session = tuned(self.sizes).Session
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "s.par"
        self.path.write_bytes(_template(self.sizes))
        self.foreign_path = self.directory / "foreign.par"
        self.foreign_path.write_bytes(_template(self.sizes))
        self.session = self.Session(self.path)
        self.foreign = self.Session(self.foreign_path)
        self.plain, self.foreign_plain = _plain(self.sizes), _plain(self.sizes)
        self.held: list[tuple[Any, Any]] = []
        self.collections: list[Any] = []  # that variables hold, wherever they are or are not any more
        self.readers: list[tuple[Session, Any, Any]] = []
        self.savepoints: list[tuple[Any, Any, list[Any]]] = []  # with what the plain ones were, and what was held

    @initialize()
    def begin(self) -> None:
        """Nothing is read yet."""

    # -- reaching things -----------------------------------------------------------------------------------------------

    def roots(self, number: int) -> tuple[Any, Any]:
        cls = ROOTS[number % 2]
        return self.session.root(cls), self.plain[cls]

    def inner(self, number: int, held: bool) -> tuple[Any, Any]:
        """An `Inner` of the session's, and the oracle's."""
        inners = [pair for pair in self.held if isinstance(pair[1], Inner)]
        if held and inners:
            return inners[number % len(inners)]
        mine, plain = self.roots(number)
        number //= 2
        name = ["one", "apart", *MAPS, *LISTS][number % 8]
        number //= 8
        value = getattr(plain, name)
        if isinstance(value, dict) and value:
            key = list(value)[number % len(value)]
            pair = getattr(mine, name)[key], value[key]
        elif isinstance(value, list) and value:
            at = number % len(value)
            pair = getattr(mine, name)[at], value[at]
        elif isinstance(value, Inner):
            pair = getattr(mine, name), value
        else:
            pair = Inner(), Inner()
        if held:
            self.held.append(pair)
        return pair

    # -- changing objects ----------------------------------------------------------------------------------------------

    @rule(root=PLACES, number=st.integers(), text=TAGS)
    def set_fields(self, root: int, number: int, text: str) -> None:
        for each in self.roots(root):
            each.number, each.text = number, text

    @rule(where=PLACES, held=st.booleans(), change=st.sampled_from(sorted(CHANGES)), number=st.integers(0, 9))
    def change_inner(self, where: int, held: bool, change: str, number: int) -> None:
        # What `object.__setattr__` did is found in what somebody holds: no hook sees it.
        for each in self.inner(where, held or change == "object"):
            CHANGES[change](each, number)

    @rule(where=PLACES, held=st.booleans())
    def look(self, where: int, held: bool) -> None:
        mine, plain = self.inner(where, held)
        assert mine.level == plain.level
        assert mine.tags == plain.tags
        assert mine.model_fields_set == plain.model_fields_set

    @rule(root=PLACES, field=st.sampled_from(["one", "apart"]), new=st.none() | INNERS)
    def replace_model(self, root: int, field: str, new: Inner | None) -> None:
        for each in self.roots(root):
            setattr(each, field, copy.deepcopy(new))

    @rule(root=PLACES, at=st.integers(0, 5999))
    def change_array(self, root: int, at: int) -> None:
        for each in self.roots(root):
            if each.array is None:
                each.array = np.arange(6000)
            each.array[at] += 1

    @rule(root=PLACES, key=KEYS, value=st.integers(0, 99))
    def change_numbers(self, root: int, key: str, value: int) -> None:
        for each in self.roots(root):
            if key in each.numbers:
                each.numbers[key].append(value)
            else:
                each.numbers[key] = [value]

    @rule(root=PLACES, at=PLACES, value=st.integers(0, 99))
    def change_lists(self, root: int, at: int, value: int) -> None:
        mine, plain = self.roots(root)
        if not plain.lists:
            return
        pair = mine.lists[at % len(plain.lists)], plain.lists[at % len(plain.lists)]
        for each in pair:
            each.append(value)
        self.held.append(pair)

    @rule(number=PLACES)
    @precondition(lambda self: any(isinstance(pair[1], list) for pair in self.held))
    def change_held_list(self, number: int) -> None:
        lists = [pair for pair in self.held if isinstance(pair[1], list) and not isinstance(pair[0], LazyList)]
        for each in lists[number % len(lists)] if lists else ():
            each.append(number)

    @rule(root=PLACES, name=st.sampled_from(["large_map", "large_list"]), rows=st.lists(PLACES, min_size=2, max_size=4))
    def commit_row_by_row(self, root: int, name: str, rows: list[int]) -> None:
        """Each commit knows as much of the table's tree as was read for the rows before."""
        self.reopen(commit=True)
        mine, plain = self.roots(root)
        known = getattr(plain, name)
        keys = list(known) if isinstance(known, dict) else range(len(known))
        for row in rows if keys else ():
            for each in (mine, plain):
                getattr(each, name)[keys[row % len(keys)]].level = row
            self.session.commit()
        self.check()

    @rule(root=PLACES, seed=st.integers(0, 1 << 16), times=st.integers(1, 4))
    def edit_nested_collections(self, root: int, seed: int, times: int) -> None:
        for each in self.roots(root):
            chance = random.Random(seed)
            for n in range(times):
                edit_tree(each.tree, chance, seed % 100 + n, 3)

    # -- changing collections ------------------------------------------------------------------------------------------

    @rule(root=PLACES, name=st.sampled_from(MAPS), key=KEYS, new=INNERS, hold=st.booleans())
    def set_in_map(self, root: int, name: str, key: str, new: Inner, hold: bool) -> None:
        pair = new, copy.deepcopy(new)
        for each, value in zip(self.roots(root), pair, strict=True):
            getattr(each, name)[key] = value
        if hold:
            self.held.append(pair)

    @rule(root=PLACES, name=st.sampled_from(MAPS), key=KEYS, how=st.sampled_from(["del", "pop", "popitem", "move"]))
    def delete_in_map(self, root: int, name: str, key: str, how: str) -> None:
        found = []
        for each in self.roots(root):
            mapping = getattr(each, name)
            if how == "popitem":
                found.append(mapping.popitem()[0] if mapping else None)
            elif key not in mapping:
                found.append(None)
            elif how == "del":
                del mapping[key]
            else:
                row = mapping.pop(key)
                found.append(row.level)
                if how == "move":
                    each.other_map["moved"] = row
        assert found == found[::-1]

    @rule(
        root=PLACES, name=st.sampled_from(MAPS), new=st.dictionaries(KEYS, INNERS, max_size=2), clear=st.integers(0, 9)
    )
    def update_map(self, root: int, name: str, new: dict[str, Inner], clear: int) -> None:
        for each in self.roots(root):
            mapping = getattr(each, name)
            if clear == 0:
                mapping.clear()
            mapping.update(copy.deepcopy(new))

    @rule(
        root=PLACES,
        name=st.sampled_from(LISTS),
        how=st.sampled_from(["append", "insert", "set", "pop", "del", "sort", "reverse", "extend", "clear", "slice"]),
        at=PLACES,
        new=INNERS,
    )
    def change_list(self, root: int, name: str, how: str, at: int, new: Inner) -> None:
        pair = new, copy.deepcopy(new)
        for each, value in zip(self.roots(root), pair, strict=True):
            items = getattr(each, name)
            place = at % len(items) if len(items) else 0
            if how == "append":
                items.append(value)
            elif how == "insert":
                items.insert(place, value)
            elif how == "sort":
                items.sort(key=lambda item: (item.level % 7, item.level))
            elif how == "reverse":
                items.reverse()
            elif how == "extend":
                items.extend(items[:2])
            elif how == "clear" and at % 4 == 0:
                items.clear()
            elif not items:
                continue
            elif how == "set":
                items[place] = value
            elif how == "pop":
                items.pop(place)
            elif how == "slice":
                items[place : place + 2] = [value]
            else:
                del items[place]
        self.held.append(pair)

    @rule(root=PLACES, name=st.sampled_from([*MAPS, "small_list", "large_list"]), first=st.integers(0, 50))
    def replace_a_collection(self, root: int, name: str, first: int) -> None:
        """What stood there stays in a variable."""
        self.collections.append(getattr(self.roots(root)[0], name))
        for each in self.roots(root):
            fresh = [_inner(first + i) for i in range(25)]
            setattr(each, name, fresh if "list" in name else {f"k{i}": row for i, row in enumerate(fresh)})

    @rule(root=PLACES, fields=st.permutations(MAPS), other=st.booleans())
    def swap_fields(self, root: int, fields: list[str], other: bool) -> None:
        x, y = fields[:2]
        there = self.roots(root + 1) if other else self.roots(root)
        for a, b in zip(self.roots(root), there, strict=True):
            value = getattr(a, x)
            setattr(a, x, getattr(b, y))
            setattr(b, y, value)

    @rule(root=PLACES, name=st.sampled_from([*MAPS, "small_list", "large_list", "one", "apart"]))
    def take_from_the_other_root(self, root: int, name: str) -> None:
        for a, b in zip(self.roots(root), self.roots(root + 1), strict=True):
            setattr(a, name, getattr(b, name))

    @rule(where=PLACES, held=st.booleans(), root=PLACES, name=st.sampled_from(MAPS), key=KEYS)
    def share_a_row(self, where: int, held: bool, root: int, name: str, key: str) -> None:
        row = self.inner(where, held)
        for each, value in zip(self.roots(root), row, strict=True):
            getattr(each, name)[key] = value

    @rule(root=PLACES, name=st.sampled_from([*MAPS, "small_list", "large_list", "one", "apart", "array", "numbers"]))
    def take_from_another_file(self, root: int, name: str) -> None:
        cls = ROOTS[(root + 1) % 2]
        mine, plain = self.roots(root)
        setattr(mine, name, getattr(self.foreign.root(cls), name))
        # What is lazy is copied; an array is the other session's own, and there as well if it changes here.
        there = self.foreign_plain[cls] if name == "array" else loads(_template(self.sizes), cls)
        setattr(plain, name, getattr(there, name))
        self.commit()

    @rule(root=PLACES, first=st.integers(0, 50), keep=st.booleans())
    def replace_root(self, root: int, first: int, keep: bool) -> None:
        cls = ROOTS[root % 2]
        new, plain = (cls(number=first, small_map={"k0": _inner(first)}, large_list=[_inner(first)]) for _ in "ab")
        if keep:
            new.large_map, plain.large_map = self.session.root(cls).large_map, self.plain[cls].large_map
        self.plain[cls] = plain
        self.session.add(new, replace=True)

    @rule(root=PLACES, n=st.integers(0, 5))
    def stream(self, root: int, n: int) -> None:
        mine, plain = self.roots(root)
        mine.small_list = (_inner(i) for i in range(n))
        plain.small_list = [_inner(i) for i in range(n)]
        self.commit()

    @rule(where=PLACES, held=st.booleans())
    def fail_and_mend(self, where: int, held: bool) -> None:
        mine, plain = self.inner(where, held)
        mine.level = "high"
        before = self.path.read_bytes()
        try:
            self.session.commit()
        except EncodeError:
            assert self.path.read_bytes() == before
            mine.level = plain.level = 3
        else:  # it is part of nothing any more
            mine.level = plain.level = 3
            self.check()

    # -- the session ---------------------------------------------------------------------------------------------------

    @rule(twice=st.booleans())
    def commit(self, twice: bool = False) -> None:
        self.session.commit()
        if twice:
            before = self.path.stat().st_size
            self.session.commit()
            assert self.path.stat().st_size == before
        self.check()

    @rule()
    def begin_nested(self) -> None:
        plain = copy.deepcopy((self.plain, self.foreign_plain, [each for _, each in self.held]))
        self.savepoints.append((self.session.begin_nested(), plain, [mine for mine, _ in self.held]))

    @rule(back=st.booleans(), which=st.integers(0, 2))
    @precondition(lambda self: self.savepoints)
    def end_nested(self, back: bool, which: int) -> None:
        which %= len(self.savepoints)
        savepoint, plain, held = self.savepoints[which]
        del self.savepoints[which:]
        if not savepoint.is_active:  # a commit, a rollback or the like came in between
            return
        if not back:
            savepoint.commit()
            return
        known = savepoint._state.memento.known
        ours = [id(mine) in known for mine in held]  # others were part of nothing when it began
        savepoint.rollback()
        self.plain, self.foreign_plain, theirs = plain
        self.held = list(compress(zip(held, theirs, strict=True), ours))
        for cls, each in self.plain.items():
            assert same(self.session.root(cls).model_load(), each)

    @rule(deleted=st.booleans(), root=PLACES)
    def rollback(self, deleted: bool, root: int) -> None:
        before = [mine for cls in ROOTS if (mine := self.session.root(cls)) not in self.session.new]
        if deleted and (mine := self.session.root(ROOTS[root % 2])) in before:
            self.session.delete(mine)
        self.session.rollback()
        self.plain = {cls: load(self.path, cls) for cls in ROOTS}
        self.go_on()
        assert all(self.session.root(mine.__class__) is mine for mine in before)

    @rule(root=PLACES, delete=st.booleans())
    def undo_a_deletion(self, root: int, delete: bool) -> None:
        mine = self.session.root(ROOTS[root % 2])
        if mine not in self.session.new:
            self.session.delete(mine)
            self.session.add(mine)

    @rule(number=st.integers(0, 99), key=KEYS, conflict=st.booleans())
    def another_commits(self, number: int, key: str, conflict: bool) -> None:
        """The session goes on to what another one committed."""
        self.session.commit()
        before = [self.session.root(cls) for cls in ROOTS]
        with self.Session(self.path) as other:
            left = other.root(Left)
            left.number = left.number + 1
            left.large_map[key] = _inner(number)
            left.one = None if number % 3 == 0 else _inner(number)
            other.commit()
        if conflict:
            before[0].text += "!"
            before[1].large_map["new"] = Inner()
            try:
                self.session.commit()
            except ConflictError:
                self.session.rollback()
            else:
                raise AssertionError("a conflict was not noticed")
        else:
            self.session.refresh()
        self.gone_on(before)

    def gone_on(self, before: list[Any]) -> None:
        """The session stands on another commit; its roots, `before`, are the same objects."""
        assert [self.session.root(cls) for cls in ROOTS] == before
        self.plain = {cls: load(self.path, cls) for cls in ROOTS}
        self.go_on()

    def about_to_go_on(self, replace: bool, root: int, name: str) -> list[Any]:
        self.commit()
        if replace:
            self.replace_a_collection(root, name, root)
            self.commit()
        return [self.session.root(cls) for cls in ROOTS]

    @rule(keep=st.integers(1, 3), replace=st.booleans(), root=PLACES, name=st.sampled_from(MAPS))
    def compact(self, keep: int, replace: bool, root: int, name: str) -> None:
        """It changes nothing in memory: what variables hold goes on in the new file."""
        before = self.about_to_go_on(replace, root, name)
        self.session.compact(keep=keep)
        assert [self.session.root(cls) for cls in ROOTS] == before
        self.check()

    @rule(back=st.integers(0, 5), replace=st.booleans(), root=PLACES, name=st.sampled_from(MAPS))
    def revert(self, back: int, replace: bool, root: int, name: str) -> None:
        before = self.about_to_go_on(replace, root, name)
        commits = [each.sequence for each in self.session.history()]
        chosen = commits[min(back, len(commits) - 1)]
        with Session.open(self.path, at=chosen) as earlier:
            then = {cls: earlier.root(cls).model_load() for cls in ROOTS}
        self.session.revert(chosen)
        self.gone_on(before)
        assert all(same(self.plain[cls], then[cls]) for cls in ROOTS)

    def go_on(self) -> None:
        """Of the objects that variables hold, those that are still the session's are followed further."""
        known = {id(mine): mine for mine, _ in self.held}
        self.held.clear()
        for cls, plain in self.plain.items():
            mine = self.session.root(cls)
            assert same(mine.model_load(), plain)
            for name in ["one", "apart", *MAPS, *LISTS]:
                value, theirs = getattr(mine, name), getattr(plain, name)
                if isinstance(theirs, Inner):
                    pairs = [(value, theirs)]
                elif isinstance(theirs, dict):
                    pairs = [(value[key], theirs[key]) for key in theirs]
                else:
                    pairs = list(zip(value, theirs, strict=True)) if theirs is not None else []
                self.held += [pair for pair in pairs if id(pair[0]) in known]

    @rule(commit=st.booleans())
    def reopen(self, commit: bool) -> None:
        if commit:
            self.session.commit()
            self.check()
        self.session.close()
        self.session = self.Session(self.path)
        self.start_again()

    @rule(number=st.integers(0, 99))
    def conflict(self, number: int) -> None:
        self.session.commit()
        self.check()
        with self.Session(self.path) as other:
            left = other.root(Left)
            left.number = left.number + 1
            other.commit()
        self.session.root(Right).number = -1
        before = self.path.read_bytes()
        try:
            self.session.commit()
        except ConflictError:
            pass
        else:
            assert self.session.root(Right).number == self.plain[Right].number
        assert self.path.read_bytes() == before
        self.session.close()
        self.session = self.Session(self.path)
        self.start_again()

    @rule()
    @precondition(lambda self: len(self.readers) < 2)
    def open_reader(self) -> None:
        reader = Session.open(self.path)
        cls = ROOTS[len(self.readers) % 2]
        self.readers.append((reader, reader.root(cls), load(self.path, cls)))

    @rule()
    @precondition(lambda self: self.readers)
    def look_at_reader(self) -> None:
        reader, lazy, plain = self.readers.pop()
        assert same(lazy.model_load(), plain)
        reader.close()

    def start_again(self) -> None:
        """The session reads anew: what aliased each other does so no more."""
        for mine, _ in self.held:
            _refuses(mine)
        self.held.clear()
        self.collections.clear()
        self.plain = {cls: load(self.path, cls) for cls in ROOTS}

    def check(self) -> None:
        for cls, plain in self.plain.items():
            assert same(load(self.path, cls), plain)

    @invariant()
    def roots_are_one_object(self) -> None:
        for cls in ROOTS:
            mine = self.session.root(cls)
            assert mine is self.session.root(cls)
            assert mine in self.session
            for name in MAPS:
                assert isinstance(getattr(mine, name), LazyMap | dict)

    def teardown(self) -> None:
        self.session.commit()
        self.check()
        for cls, plain in self.plain.items():
            assert same(self.session.root(cls).model_load(), plain)
        self.session.close()
        self.foreign.close()
        for reader, lazy, plain in self.readers:
            assert same(lazy.model_load(), plain)
            reader.close()
        shutil.rmtree(self.directory)


def _refuses(mine: Any) -> None:
    """A lazy object of before a rollback, or of a closed session, does not take a change that would be lost."""
    if isinstance(mine, LazyMap):
        try:
            mine["x"] = 1
        except DetachedError:
            return
        raise AssertionError("a change was taken and lost")


def _examples(quick: int) -> settings:
    return settings(max_examples=EXAMPLES // 10 if THOROUGH else quick, stateful_step_count=80 if THOROUGH else 25)


TestSession = pytest.mark.once(SessionMachine.TestCase)
TestSession.settings = _examples(6)


class SmallSessionMachine(SessionMachine):
    """The same where tables have trees of several levels, some of which a commit has not read."""

    sizes = replace(SMALL, large=320)

    def __init__(self) -> None:
        self.caches = small_caches()
        self.caches.__enter__()
        super().__init__()

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.caches.__exit__(None, None, None)


TestSmallSession = pytest.mark.once(SmallSessionMachine.TestCase)
TestSmallSession.settings = _examples(10)


class BriefMachine(SmallSessionMachine):
    """A few of the same histories, on every interpreter."""


TestBriefly = BriefMachine.TestCase
TestBriefly.settings = _examples(3)

"""What changed between two commits: exactly that, and without reading what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ConfigDict, PrivateAttr

from parcode_orm import Chunk, LazyList, Model, Session, ShardedMap, save
from parcode_orm.errors import CorruptionError, NoResultFound, SchemaMismatchError
from parcode_orm.session.history.diff import Change
from parcode_orm.table.diff import gaps
from parcode_orm.table.table import Table
from tests.effort import half
from tests.session.changing import alike, apply
from tests.session.rowwise import differences
from tests.small import small_caches, tuned
from tests.strategies import classes, values_of

pytestmark = pytest.mark.once


@dataclass
class Point:
    x: int = 0
    y: float = 0.0


class Item(Model):
    level: int = 0
    tags: list[str] = []
    kids: list[int] = Chunk(default=[])
    point: Point = Point()
    below: Item | None = None


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")
    n: float = 0.0
    one: Item = Chunk(default=Item())
    small: dict[str, Item] = {}
    big: dict[str, Item] = ShardedMap(default={})
    rows: list[Item] = Chunk(default=[])
    numbers: list[int] = Chunk(default=[])
    blob: bytes = Chunk(default=b"")
    array: NDArray[np.int64] = Chunk(default_factory=lambda: np.arange(3))
    pair: tuple[int, Item] = (0, Item())
    _note: int = PrivateAttr(default=0)


class Score(Model):
    best: int = 0


def items(count: int) -> dict[str, Item]:
    return {f"k{i}": Item(level=i, tags=[f"{i:0300}"]) for i in range(count)}


def world(count: int = 200) -> World:
    rows = list(items(count).values())
    return World(big=items(count), rows=rows, numbers=[0, 1, 2], blob=bytes(100_000), array=np.arange(99_999))


def changes(path: Path | str, first: Any, change: Callable[[Any], object]) -> list[str]:
    """The diff of two commits, as text; forth it leads from a to b, and back from b to a."""
    with Session(path) as session:
        session.add(first)
        session.commit()
        before = session.root(type(first)).model_load()
        change(session.root(type(first)))
        session.commit()
        after = session.root(type(first)).model_load()
        name = type(first).__name__
        there = list(session.diff(1, 2))
        assert alike(apply({name: before}, there)[name], after)
        assert alike(apply({name: after}, session.diff(2, 1))[name], before)
        assert all(each.path[0] == name for each in there)
        return [str(each) for each in there]


def edit(first: Any, change: Callable[[Any], object]) -> list[str]:
    return changes(":memory:", first, change)


def test_each_kind_of_place() -> None:
    def change(w: World) -> None:
        w.n = -0.0
        w.one.level = 5
        w.one.point = Point(1, 0.0)
        w.one.below = Item(level=7)
        w.small["a"] = Item(level=1)
        w.big["k17"].tags.append("more")
        w.big["new"] = Item(level=3)
        del w.big["k3"]
        w.rows[20].level = -1
        del w.rows[50]
        w.rows.insert(100, Item(level=-2))
        w.numbers.append(9)
        w.pair = (1, Item())
        w.extra = "x"  # type: ignore[attr-defined]
        w._note = 4

    found = edit(world(), change)
    texts = [text.partition(": Item(")[0] for text in found]
    assert texts == [
        "~ World.n: 0.0 -> -0.0",
        "~ World.one.level: 0 -> 5",
        "~ World.one.point.x: 0 -> 1",
        "~ World.one.below: None -> Item(level=7, tags=[], kids=[], point=Point(x=0, y=0.0), ...",
        "+ World.small['a']",
        "- World.big['k3']",
        "+ World.big['k17'].tags[1]: 'more'",
        "+ World.big['new']",
        "~ World.rows[20].level: 20 -> -1",
        "- World.rows[50]",
        "+ World.rows[100]",
        "+ World.numbers[3]: 9",
        found[12],
        "~ World._note: 0 -> 4",
        "+ World.extra: 'x'",
    ]
    assert found[12].startswith("~ World.pair: (0, Item(")


def test_the_last_row_of_a_table_of_one_row_group_goes() -> None:
    """The table without its last row was the same row group, with a row less, and the diff found nothing."""

    def change(w: World) -> None:
        del w.numbers[-1]
        del w.big["k199"]

    found = edit(world().model_copy(update={"numbers": list(range(30_000))}), change)
    assert [text.partition(":")[0] for text in found] == ["- World.big['k199']", "- World.numbers[29999]"]


def test_changes_tell_kind_path_and_both_values() -> None:
    with Session(":memory:") as session:
        session.add(world())
        session.commit()
        session.root(World).big["k5"].level = 50
        session.root(World).rows.append(Item(level=1))
        session.commit()
        level, row = session.diff(1, 2)
        assert (level.kind, level.path, level.where) == (
            "changed",
            ("World", "big", "k5", "level"),
            "World.big['k5'].level",
        )
        assert (level.old, level.new) == (5, 50)
        assert repr(level) == "<Change ~ World.big['k5'].level: 5 -> 50>"
        assert (row.kind, row.path, row.old) == ("added", ("World", "rows", 200), None)
        assert row.new == Item(level=1)
        row.new.tags.append("the diff's objects are no part of the session")
        assert not session.dirty


def test_no_difference() -> None:
    with Session(":memory:") as session:
        session.add(world())
        session.commit()
        session.root(World).rows[3].level = 7
        session.commit()
        session.root(World).rows[3].level = 3
        session.root(World).blob = bytearray(bytes(100_000))[:]  # the same bytes, written again
        session.root(World).blob = bytes(100_000)
        session.root(World).array = np.arange(99_999)
        session.commit()
        diff = session.diff(1, 3)
        assert not diff and list(diff) == []
        assert str(diff) == "commit 1 -> commit 3\nno changes"
        assert repr(diff) == "<Diff of commit 1 and commit 3>"
        assert not session.diff(2, 2)
        assert not session.diff(1) and [str(each) for each in session.diff(2)] == ["~ World.rows[3].level: 7 -> 3"]


def test_text_lists_the_first_fifty() -> None:
    with Session(":memory:") as session:
        session.add(world())
        session.commit()
        for row in session.root(World).rows:
            row.level += 1
        session.commit()
        lines = str(session.diff(1, 2)).splitlines()
        assert lines[0] == "commit 1 -> commit 2" and len(lines) == 52
        assert lines[1] == "~ World.rows[0].level: 0 -> 1" and lines[-1] == "... and more"


def test_roots_that_come_and_go() -> None:
    with Session(":memory:") as session:
        session.add(Score(best=1))
        session.commit()
        session.add(Item(level=1))
        session.delete(session.root(Score))
        session.commit()
        one, two = session.diff(1, 2, Item, Score)
        assert (one.kind, one.path, one.new.level) == ("added", ("Item",), 1)
        assert (two.kind, two.path, two.old) == ("removed", ("Score",), Score(best=1))
        assert [each.where for each in session.diff(1, 2, Score)] == ["Score"]
        assert not session.diff(1, 2, World)
        assert next(iter(session.diff(1, 2))).new.__class__ is Item  # the class in use, be there others of that name


def test_a_root_of_no_known_class(tmp_path: Path) -> None:
    gone = type("Vanished", (Model,), {"__annotations__": {"n": int}, "__module__": __name__})
    with Session(tmp_path / "f") as session:
        session.add(gone(n=1))
        session.add(Score())
        session.commit()
        session.root(gone).n = 2
        session.commit()
    other = type("Vanished", (Model,), {"__annotations__": {"m": str}, "__module__": __name__})
    with Session(tmp_path / "f") as session:
        assert [str(each) for each in session.diff(1, 2)] == ["~ Vanished.n: 1 -> 2"]  # the class that fits
        with pytest.raises(SchemaMismatchError, match=r"Vanished\.m: older rows do not have this field"):
            list(session.diff(1, 2, other))
    gone.__name__ = other.__name__ = "Different"
    with (
        Session(tmp_path / "f") as session,
        pytest.raises(SchemaMismatchError, match="no class named Vanished is defined"),
    ):
        list(session.diff(1, 2))


def test_large_values_that_both_commits_refer_to_are_not_read(tmp_path: Path) -> None:
    save(tmp_path / "f", World(blob=bytes(10_000_000), array=np.zeros(1_000_000, np.int64), big=items(500)))
    with Session(tmp_path / "f") as session:
        session.root(World).n = 1.0
        session.commit()
        before, chunks = session.stats.bytes_read, session.stats.chunks_read
        assert [each.path for each in session.diff(1, 2)] == [("World", "n")]
        assert session.stats.bytes_read - before < 20_000
        # of each commit: its catalog, its root, the fields of that (and of `one`) which are small and stored apart
        assert session.stats.chunks_read - chunks <= 2 * 7


def test_a_changed_blob_is_said_to_be_without_reading_it_whole() -> None:
    with Session(":memory:") as session:
        session.add(World(blob=bytes(10_000_000)))
        session.commit()
        session.root(World).blob = b"x" + bytes(9_999_999)
        session.commit()
        before = session.stats.bytes_read
        (change,) = session.diff(1, 2)
        assert str(change) == "~ World.blob: <10000000 bytes> -> <10000000 bytes>"
        assert session.stats.bytes_read - before < 3_000_000
        assert change.new[:1] == b"x" and change.old == bytes(10_000_000)


def test_blobs_stored_in_another_way_are_compared_by_content(tmp_path: Path) -> None:
    text = b"ab" * 100_000
    with Session(tmp_path / "f") as session:
        session.add(World(blob=text))
        session.commit()
    with Session(tmp_path / "f", compression="lz4") as session:
        session.root(World).blob = text
        session.root(World).n = 1.0
        session.commit()
        assert [each.path for each in session.diff(1, 2)] == [("World", "n")]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 rows in a list and in a map; the second commit changes one row of each, the third the size of both."""
    path = tmp_path_factory.mktemp("diff") / "large.par"
    with Session(path) as session:
        rows = {f"k{i}": Item(level=i, tags=[str(i)]) for i in range(100_000)}
        session.add(World(big=rows, rows=list(rows.values())))
        session.commit()
    with Session(path) as session:
        w = session.root(World)
        w.big["k70000"].level = 1
        w.rows[70_000].level = 1
        session.commit()
        del w.big["k5"], w.rows[5]
        w.big["new"] = Item()
        w.rows.append(Item())
        session.commit()
    return path


def test_one_row_of_100_000_is_found_by_reading_a_few_chunks(large: Path) -> None:
    with Session.open(large) as session:
        found = list(session.diff(1, 2))
        assert [each.where for each in found] == ["World.big['k70000'].level", "World.rows[70000].level"]
        stats = session.stats
        print(f"\n{stats.chunks_read} chunks, {stats.bytes_read} bytes, {stats.rows_read} rows read")
        assert stats.chunks_read <= 40 and stats.bytes_read < 600_000 and stats.rows_read < 40
    assert large.stat().st_size > 3_000_000


def test_rows_that_came_and_went_among_100_000(large: Path) -> None:
    with Session.open(large) as session:
        texts = [str(each).partition(":")[0] for each in session.diff(2, 3)]
        assert texts == ["- World.big['k5']", "+ World.big['new']", "- World.rows[5]", "+ World.rows[99999]"]
        assert session.stats.rows_read < 40


def test_a_difference_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    with Session(tmp_path / "f") as session:
        session.add(World(rows=[Item(level=i) for i in range(6_000)]))
        session.commit()
        session.root(World).rows = [Item(level=-1 - i) for i in range(6_000)]
        session.commit()
    with Session.open(tmp_path / "f") as session:
        found = iter(session.diff(1, 2))
        assert next(found).path == ("World", "rows", 0, "level")
        assert session.stats.rows_read < 50
        assert len(list(found)) == 5_999


def test_small_becomes_large() -> None:
    def grow(w: World) -> None:
        w.rows.extend(list(items(300).values()))
        w.big.update(items(300))

    found = edit(world(2), grow)
    assert len(found) == 300 + 298
    assert edit(world(300), lambda w: (w.rows.clear(), w.big.clear())) == edit(world(300), _emptied)


def _emptied(w: World) -> None:
    w.rows = []
    w.big = {}


def test_rows_that_moved_within_a_short_list_came_and_went() -> None:
    def move(w: World) -> None:
        w.numbers = [2, 3, 4, 5, 1]

    assert edit(World(numbers=[1, 2, 3, 4]), move) == [
        "- World.numbers[0]: 1",
        "+ World.numbers[3]: 5",
        "+ World.numbers[4]: 1",
    ]


def test_merged_groups_show_what_changed_alone() -> None:
    """Appended rows are joined to one row group by eights: from then on they lie in another place, and are the same."""
    with Session(":memory:") as session:
        session.add(world(400))
        session.commit()
        for i in range(30):
            session.root(World).rows.append(Item(level=i, tags=["x" * 300]))
            session.commit()
        assert [each.path[-1] for each in session.diff(5, 31)] == list(range(404, 430))
        assert [each.path[-1] for each in session.diff(31, 5)] == list(range(404, 430))


def test_differences_are_found_after_the_session() -> None:
    with Session(":memory:") as session:
        session.add(world())
        session.commit()
        session.root(World).rows[3].level = 7
        session.commit()
        diff = session.diff(1, 2)
        change = next(iter(diff))
    assert (change.old, change.new) == (3, 7)
    assert [each.path for each in diff] == [change.path]


def test_commits_that_are_not_there() -> None:
    with Session(":memory:") as session:
        with pytest.raises(NoResultFound, match="nothing is stored yet"):
            session.diff(1, 2)
        session.add(Score())
        session.commit()
        with pytest.raises(NoResultFound, match="no commit 2: what is read here has commit 1, of "):
            session.diff(1, 2)
        with pytest.raises(TypeError, match="named by its sequence number"):
            session.diff("1")  # type: ignore[arg-type]


def test_damage_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with Session(path) as session:
        session.add(world())
        session.commit()
        ref = session._work.source.catalog.root("World")  # type: ignore[union-attr]
        session.root(World).n = 1.0
        session.commit()
    data = bytearray(path.read_bytes())
    data[ref.offset + 40] ^= 1
    path.write_bytes(data)
    with Session(path) as session, pytest.raises(CorruptionError):
        list(session.diff(1, 2))


# -- properties ---------------------------------------------------------------------------------------------------


@half(80)
@given(st.data())
def test_any_two_objects_of_a_class(data: st.DataObject) -> None:
    cls = data.draw(classes(2))
    first, second = data.draw(values_of(cls)), data.draw(values_of(cls))
    name = cls.__name__
    with small_caches(), tuned().Session(":memory:") as session:
        for each in (first, second):
            session.add_all([each, Score()], replace=True)  # a Score is new each time, so that there are two commits
            session.root(Score).best = len(list(session.history()))
            session.commit()
        a, b = (_at(session, sequence, cls) for sequence in (1, 2))
        assert alike(apply({name: a}, differences(session, 1, 2, cls))[name], b)
        assert alike(apply({name: b}, differences(session, 2, 1, cls))[name], a)


def _bytes_of(session: Session) -> bytes:
    return bytes(session._work.source.view(0, session._work.source.length))  # type: ignore[union-attr]


def _at(session: Session, sequence: int, cls: type[Model]) -> Any:
    with Session(_bytes_of(session), at=sequence) as earlier:
        return earlier.root(cls).model_load()


VALUES = st.builds(
    Item,
    level=st.integers(0, 3),
    tags=st.lists(st.sampled_from(["a", "b", "c" * 40]), max_size=3),
    kids=st.lists(st.integers(0, 2), max_size=3),
)
KEYS = st.sampled_from([f"k{i}" for i in range(12)])
PLACES = st.integers(0, 30)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "level", "insert", "delete", "row", "tag", "number", "new"]),
        KEYS,
        PLACES,
        VALUES,
    ),
    max_size=4,
)


def _edit(w: World, kind: str, key: str, place: int, value: Item) -> None:
    rows, numbers, big = w.rows, w.numbers, w.big
    at = place % len(rows) if len(rows) else 0
    if kind == "put":
        big[key] = value
    elif kind == "drop":
        big.pop(key, None)
    elif kind == "level" and key in big:
        big[key].level = place
    elif kind == "insert":
        rows.insert(at, value)
    elif kind == "delete" and len(rows):
        del rows[at : at + 1 + place % 3]
    elif kind == "row" and len(rows):
        rows[at].below = value
    elif kind == "tag" and len(rows):
        rows[at].tags.append(key)
    elif kind == "number":
        numbers[place % 5 : place % 7] = [place] * (place % 4)
    elif kind == "new":
        w.rows = [value, *w.rows[2:].copy()]


@half(120)
@given(st.lists(VALUES, max_size=25), st.lists(EDITS, min_size=1, max_size=6), st.data())
def test_commits_of_edited_collections(start: list[Item], commits: list[Any], data: st.DataObject) -> None:
    with small_caches(), tuned().Session(":memory:") as session:
        big = {f"k{i}": item.model_copy(deep=True) for i, item in enumerate(start)}
        session.add(World(rows=start, big=big, numbers=list(range(20))))
        session.commit()
        session.add(Score())
        session.commit()
        states = {2: _at(session, 2, World)}
        root = session.root(World)
        for edits in commits:
            for each in edits:
                _edit(root, *each)
            session.root(Score).best += 1
            session.commit()
            states[len(states) + 2] = _at(session, len(states) + 2, World)
        a, b = data.draw(st.sampled_from(sorted(states))), data.draw(st.sampled_from(sorted(states)))
        found = differences(session, a, b, World)
        assert alike(apply({"World": states[a]}, found)["World"], states[b])
        assert all(_is_real(change) for change in found)
        mine, theirs = states[a].big, states[b].big
        differ = {key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)}
        assert {change.path[2] for change in found if change.path[1] == "big"} == differ
        _check_gaps(session, a, b)


def _is_real(change: Change) -> bool:
    return change.kind != "changed" or not alike(change.old, change.new)


def _check_gaps(session: Session, a: int, b: int) -> None:
    """Gaps come in order, and between them lie the same rows of the same groups."""
    data = _bytes_of(session)
    with Session(data, at=a) as one, Session(data, at=b) as two:
        for name in ("rows", "big"):
            tables: list[Table] = [
                each.root(World).__dict__[name].rows.table
                for each in (one, two)
                if hasattr(each.root(World).__dict__[name].rows, "table")
            ]
            if len(tables) < 2:
                continue
            mine, theirs = (
                [(piece.ref.offset, piece.start + i) for piece, x, y in table.tree.pieces() for i in range(x, y)]  # type: ignore[union-attr]
                for table in tables
            )
            here = there = 0
            for gap in [*gaps(tables[0].tree, tables[1].tree), (len(mine), len(mine), len(theirs), len(theirs))]:
                assert mine[here : gap[0]] == theirs[there : gap[2]]
                assert not set(mine[gap[0] : gap[1]]) & set(theirs[gap[2] : gap[3]])
                assert gap[0] >= here and gap[2] >= there
                here, there = gap[1], gap[3]


def test_rows_of_a_list_are_lazy_in_changes() -> None:
    with Session(":memory:") as session:
        session.add(World())
        session.commit()
        session.root(World).rows = list(items(500).values())
        session.commit()
        first = next(iter(session.diff(1, 2)))
        assert first.kind == "added" and first.new.level == 0
        assert isinstance(first.new.kids, LazyList)

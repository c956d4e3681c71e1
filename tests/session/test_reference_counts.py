"""Old snapshots leave memory by reference counts, at the next commit or with their session.

The cycle collector comes late where a program has many objects. A cycle among views, rows and tables kept a map of the
file for each commit until then: a million inserts in a thousand commits held 290 MB in place of 70.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import ref

import pytest

from parcode_orm import (
    Chunk,
    Index,
    Key,
    Model,
    Ref,
    Session,
    ShardedMap,
    aliased,
    delete,
    exists,
    func,
    prefetch,
    save,
    select,
    union,
    update,
)
from parcode_orm.session.entity.tables import entities, find_table, stored_rows, table_in
from parcode_orm.storage.mapped import Source
from parcode_orm.table.index import Shard
from tests.session import trees
from tests.small import tuned

pytestmark = pytest.mark.once

COMMITS = 6


class Trade(Model):
    id: int = Key(default=None, auto=True)
    number: str = Index(unique=True)
    level: int = Index(default=0)
    tags: list[str] = Index(default=[])


class Note(Model):
    id: int = Key(default=None, auto=True)
    trade: Ref[Trade] = Index(on_delete="cascade")
    text: str = Index("", text=True)
    place: list[float] = []


class Line(Model):
    n: int
    text: str = ""


class Branch(Model):
    title: str = ""
    lines: list[Line] = Chunk(default_factory=list)
    by_name: dict[str, Line] = ShardedMap(default_factory=dict)


class World(Model):
    name: str = ""
    branches: dict[str, Branch] = ShardedMap(default_factory=dict)
    many: list[Branch] = Chunk(default_factory=list)
    one: Branch = Chunk(default_factory=Branch)


def trades(first: int, count: int) -> list[Trade]:
    return [Trade(number=f"n{n}", level=n % 9, tags=[f"t{n % 7}", f"u{n % 3}"]) for n in range(first, first + count)]


def branch(count: int) -> Branch:
    lines = [Line(n=n, text=f"text {n}") for n in range(count)]
    return Branch(lines=lines, by_name={f"k{line.n}": line.model_copy() for line in lines})


def world() -> World:
    return World(branches={f"b{n}": branch(8) for n in range(20)}, many=[branch(8) for _ in range(20)], one=branch(40))


def add(session: Session, turn: int) -> None:
    session.add_all(trades(1_000 + turn * 30, 30))


def change_entity(session: Session, turn: int) -> None:
    trade = session.get_one(Trade, turn + 1)
    trade.level += 1
    trade.tags.append(f"new {turn}")


def change_what_a_query_found(session: Session, turn: int) -> None:
    for trade in session.scalars(select(Trade).where(Trade.level == turn)):
        trade.level += 20


def statements(session: Session, turn: int) -> None:
    session.execute(update(Trade).where(Trade.level == turn).values(level=Trade.level + 100))
    session.execute(delete(Trade).where(Trade.id == 10 + turn))


def delete_and_move(session: Session, turn: int) -> None:
    session.delete(session.get_one(Trade, turn + 1))
    session.get_one(Trade, turn + 20).id = 500 + turn


def roll_back(session: Session, turn: int) -> None:
    session.add_all(trades(900, 10))
    session.root(World).branches["b1"].lines[2].text += "x"
    session.rollback()
    session.root(World).name += "x"


def append(session: Session, turn: int) -> None:
    session.root(World).branches[f"b{turn}"].lines.append(Line(n=turn))
    session.root(World).many[turn].by_name["new"] = Line(n=turn)


def change_items(session: Session, turn: int) -> None:
    session.root(World).many[turn].lines[3].text += "x"
    session.root(World).one.lines[turn].text += "x"


def replace_what_was_read(session: Session, turn: int) -> None:
    session.root(World).branches["b1"].lines[3].text += "x"
    session.root(World).branches = {f"b{n}": branch(8) for n in range(20)}


def read_all(session: Session, turn: int) -> None:
    assert sum(line.n for each in session.root(World).many for line in each.lines)
    session.root(World).name += "x"


def relate(session: Session, turn: int) -> None:
    trade = session.get_one(Trade, turn + 40)
    session.add_all([Note(trade=trade, text=f"red {n}", place=[n, turn]) for n in range(8)])
    assert trade.number == next(iter(session.scalars(select(Note).options(prefetch(Note.trade))))).trade.number or turn
    if turn:
        session.delete(session.get_one(Trade, turn + 39))


def ask_in_every_way(session: Session, turn: int) -> None:
    session.add_all([Note(trade=turn + 1, text=f"red {n}", place=[n, turn]) for n in range(8)])
    other = aliased(Trade)
    joined = select(Note, other).join(other, Note.trade == other.id).where(Note.trade.level >= 0, other.id > 0)
    assert session.execute(joined).all()
    few = select(Note.trade).where(Note.text.matches("red"))
    assert session.scalars(select(Trade).where(Trade.id.in_(few))).all()
    assert session.scalars(select(Trade).where(exists(select(Note).where(Note.trade == Trade.id)))).all()
    rank = func.rank().over(order_by=Note.place.l2([1, 2]))
    assert session.execute(select(Note.id, rank).order_by(Note.text.bm25("red").desc())).all()
    assert session.scalars(union(select(Trade.number), select(Note.text))).all()
    session.execute(update(Note).where(Note.trade.level == 3).values(text="none"))


STEPS = [
    relate,
    ask_in_every_way,
    add,
    change_entity,
    change_what_a_query_found,
    statements,
    delete_and_move,
    roll_back,
    append,
    change_items,
    replace_what_was_read,
    read_all,
]


@contextmanager
def without_collector() -> Iterator[Counter[str]]:
    """What only the cycle collector could free of the objects made in the block: how many of each class of ours."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("parcode_orm"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def snapshots() -> int:
    """How many snapshots of files there are in memory."""
    return sum(type(each) is Source for each in gc.get_objects())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("small", [False, True])
def test_a_commit_leaves_nothing_to_the_cycle_collector(
    tmp_path: Path, step: Callable[[Session, int], None], small: bool
) -> None:
    session: Session
    before = snapshots()
    with (tuned(large=320).Session if small else Session)(tmp_path / "w.par", durability="fast") as session:
        session.add(world())
        session.add_all(trades(0, 300))
        session.commit()
        step(session, 0)
        session.commit()
        with without_collector() as found:
            for turn in range(1, COMMITS):
                step(session, turn)
                session.commit()
        assert not found
        # A table that did not change reads on through the commit that it was opened at. Row groups that a statement
        # wrote are read through its space.
        assert snapshots() <= before + (COMMITS + 1 if step in (statements, ask_in_every_way) else 3)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_session_that_ends_leaves_nothing_to_the_cycle_collector(
    tmp_path: Path, step: Callable[[Session, int], None]
) -> None:
    path = tmp_path / "w.par"
    before = snapshots()
    with Session(path) as session:
        session.add(world())
        session.add_all(trades(0, 300))
        session.commit()
    del session
    with without_collector() as found:
        for turn in range(2):
            with Session(path, durability="fast") as session:
                step(session, turn)
                session.commit()
            del session
            assert snapshots() <= before
    assert not found


def test_a_row_that_is_held_outlives_its_collection(tmp_path: Path) -> None:
    with Session(tmp_path / "w.par") as session:
        session.add(world())
        session.commit()
        lines = session.root(World).branches["b1"].lines
        session.root(World).branches = {}
        lines[0].text = "changed"
        assert [line.text for line in lines][:2] == ["changed", "text 1"]
        session.rollback()
        session.root(World).branches["b1"].lines[0].text = "again"
        session.commit()
        assert session.root(World).branches["b1"].lines[0].text == "again"


def test_rows_below_a_lazy_object_in_a_plain_list_leave_memory(tmp_path: Path) -> None:
    """The program holds a plain list: rows below the lazy objects in it are found through the list alone."""
    path = tmp_path / "w.par"
    forest = {"a": trees.Tree(branches=[trees.Branch(numbers={"x": [1] * 100}) for _ in range(3000)])}
    save(path, trees.Tree(names=forest))
    with Session(path, durability="fast") as session:
        tree = session.root(trees.Tree)
        held = [trees.Tree(), tree.names.pop("a")]
        tree.below = held
        session.commit()
        row = held[1].branches[7]
        assert row.numbers["x"][0] == 1
        known = ref(row)
        del row
        assert known() is not None
        session.commit()
        assert known() is None


def test_parts_of_the_index_that_are_open_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit opened every shard of the index again, to find which of the new keys are stored."""
    with tuned(shard_rows=16).Session(tmp_path / "w.par", durability="fast") as session:
        session.add_all(trades(0, 2_000))
        session.commit()
        session.add_all(trades(2_000, 100))
        session.commit()
        opened: list[Shard] = []
        init = Shard.__init__
        monkeypatch.setattr(Shard, "__init__", lambda shard, chunk: (opened.append(shard), init(shard, chunk))[1])
        session.add_all(trades(2_100, 20))
        root = find_table(session._work, Trade)
        assert root is not None
        runs = table_in(entities(root)).runs
        assert table_in(stored_rows(session._work, root)).runs == runs  # type: ignore[arg-type]
        session.commit()
        assert table_in(entities(root)).runs[0] is runs[0]
        assert len(opened) < 40

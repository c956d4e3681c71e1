"""`session.changes`: the rows that each commit inserted, changed and deleted, at the cost of what changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Index, Key, Model, Ref, Session, ShardedMap, save, update
from parcode_orm.errors import ClosedError, CommitGone, NoResultFound
from parcode_orm.interop.rows import plain
from parcode_orm.session.history import feed
from parcode_orm.session.history.fields import names_of
from parcode_orm.session.history.row_change import spelled
from tests.migrations.project import Project
from tests.migrations.test_migrate import AFTER, BEFORE, RENAMES
from tests.session.changing import alike
from tests.session.following import Copy, content, follow

pytestmark = pytest.mark.once


@dataclass
class Point:
    x: int = 0


class Home(Model):
    city: str = ""
    point: Point = Point()
    log: list[int] = Chunk(default=[])


class Player(Model):
    id: int = Key()
    name: str = Index("")
    home: Home = Home()
    tags: list[str] = []
    inventory: list[int] = Chunk(default=[])


class World(Model):
    model_config = {"extra": "allow"}
    n: int = 0
    one: Home = Chunk(default=Home())
    blob: bytes = Chunk(default=b"")
    homes: dict[str, Home] = ShardedMap(default={})
    numbers: list[int] = Chunk(default=[])


class Plane(Model):
    tail: str = Key()
    year: int = 0


class Flight(Model):
    id: int = Key()
    plane: Ref[Plane] | None = None
    via: list[Ref[Plane]] = []
    rest: list[Ref[Plane]] = Chunk(default=[])


def told(session: Session, since: Any, **options: Any) -> list[list[str]]:
    return [list(map(str, commit)) for commit in session.changes(since, **options)]


def after(first: list[Any], change: Callable[[Session], object]) -> list[str]:
    """What the second commit of a file changed."""
    with Session(":memory:") as session:
        session.add_all(first)
        session.commit()
        change(session)
        session.commit()
        [found] = told(session, 1)
        return found


def players(count: int) -> list[Any]:
    return [Player(id=n, name=f"p{n}", inventory=[n]) for n in range(count)]


def test_each_kind_of_row_and_field() -> None:
    def change(s: Session) -> None:
        world = s.root(World)
        world.n, world.extra = 5, "x"  # type: ignore[attr-defined]
        world.one.city = "Rome"
        world.one.point = Point(3)
        world.one.log.append(7)
        world.homes["b"].point.x = 9
        world.homes["c"] = Home(city="Oslo")
        del world.homes["a"]
        world.numbers[1] = 11
        player = s.get_one(Player, 1)
        player.name, player.home.city = "ann", "Bonn"
        player.tags.append("t")
        player.inventory.append(4)
        s.delete(s.get_one(Player, 0))
        s.add(Player(id=9))

    world = World(homes={"a": Home(), "b": Home()}, numbers=[1, 2])
    assert [text.partition(": Player(")[0] for text in after([world, *players(3)], change)] == [
        "- Player[0]",
        "~ Player[1] name: 'p1' -> 'ann', home.city: '' -> 'Bonn', tags: [] -> ['t']",
        "+ Player[1].inventory[1]: 4",
        "+ Player[9]",
        "~ World n: 0 -> 5, one.city: '' -> 'Rome', one.point.x: 0 -> 3, extra: (none) -> 'x'",
        "+ World.one.log[0]: 7",
        "- World.homes['a']: Home(city='', point=Point(x=0), log=[])",
        "~ World.homes['b'] point.x: 0 -> 9",
        "+ World.homes['c']: Home(city='Oslo', point=Point(x=0), log=[])",
        "~ World.numbers[1]: 2 -> 11",
    ]


def test_a_row_tells_class_key_path_and_values() -> None:
    with Session(":memory:") as session:
        session.add_all([World(homes={"a": Home()}), *players(2)])
        session.commit("first")
        session.get_one(Player, 1).home.city = "Bonn"
        session.root(World).homes["a"].log.append(3)
        session.commit("second")
        [commit] = session.changes(since=1)
        assert (commit.sequence, commit.message) == (2, "second")
        assert commit.snapshot == session.snapshot and commit.time == session.snapshot.time
        player, row = commit
        assert (player.kind, player.cls, player.key, player.path) == ("changed", "Player", 1, ("Player", 1))
        assert isinstance(player.new, Player) and (player.old.home.city, player.new.home.city) == ("", "Bonn")
        field = player.fields["home.city"]
        assert (field.kind, field.path, field.old, field.new) == ("changed", ("home", "city"), "", "Bonn")
        assert (row.kind, row.cls, row.key, row.where) == ("inserted", "World", None, "World.homes['a'].log[0]")
        assert row.path == ("World", "homes", "a", "log", 0) and (row.old, row.new, row.fields) == (None, 3, {})
        assert list(map(str, commit)) == [str(player), str(row)]  # it may be asked again
        assert repr(player) == "<RowChange ~ Player[1] home.city: '' -> 'Bonn'>"


def test_changes_of_a_list_are_applied_in_their_order() -> None:
    def change(s: Session) -> None:
        numbers = s.root(World).numbers
        del numbers[2:5]
        numbers.insert(4, -1)
        numbers[6:6] = [-2, -3]
        numbers[9] = -4
        del numbers[20]

    with Session(":memory:") as session:
        session.add(World(numbers=list(range(30))))
        session.commit()
        change(session)
        session.commit()
        found = list(range(30))
        [commit] = session.changes(1)
        for row in commit:
            at = row.path[-1]
            if row.kind == "inserted":
                found.insert(at, row.new)
            elif row.kind == "deleted":
                assert found.pop(at) == row.old
            else:
                assert found[at] == row.old
                found[at] = row.new
        assert found == session.root(World).numbers


def test_a_moved_key_is_a_deleted_and_an_inserted_entity() -> None:
    def move(s: Session) -> None:
        s.get_one(Player, 1).id = 7

    def swap(s: Session) -> None:
        one, other = s.get_one(Player, 1), s.get_one(Player, 2)
        one.id, other.id = 2, 1

    assert [text[:11] for text in after(players(3), move)] == ["- Player[1]", "+ Player[7]"]
    assert after(players(3), swap)[0].startswith("~ Player[1] name: 'p1' -> 'p2'")


def test_a_key_of_several_fields_and_an_empty_table() -> None:
    class Cell(Model):
        x: int = Key()
        y: str = Key()
        value: int = 0

    with Session(":memory:") as session:
        session.add(Cell(x=1, y="a"))
        session.commit()
        session.get_one(Cell, (1, "a")).value = 3
        session.commit()
        session.delete(session.get_one(Cell, (1, "a")))
        session.commit()
        inserted, changed, deleted = (list(commit) for commit in session.changes(0))
        assert [each.key for each in (*inserted, *changed, *deleted)] == [(1, "a")] * 3
        assert str(changed[0]) == "~ Cell[(1, 'a')] value: 0 -> 3" and deleted[0].old.value == 3


def test_large_values_are_read_when_they_are_asked_for() -> None:
    with Session(":memory:") as session:
        session.add(World(blob=bytes(3_000_000)))
        session.commit()
        session.root(World).blob = bytes(2_999_999)
        session.commit()
        before = session.stats.bytes_read
        [[row]] = (list(commit) for commit in session.changes(1))
        assert str(row) == "~ World blob: <3000000 bytes> -> <2999999 bytes>"
        assert session.stats.bytes_read - before < 200_000
        assert row.fields["blob"].new == bytes(2_999_999)


def test_one_change_among_many_rows_reads_little() -> None:
    with Session(":memory:") as session:
        session.add(World(homes={f"h{n}": Home(city=f"c{n}") for n in range(20_000)}, numbers=list(range(300_000))))
        session.add_all(players(20_000))
        session.commit()
        session.root(World).homes["h77"].city = "x"
        session.root(World).numbers.insert(150_000, -1)
        session.get_one(Player, 12_000).name = "y"
        session.commit()
        stats = session.stats
        chunks, rows, size = stats.chunks_read, stats.rows_read, stats.bytes_read
        assert [len(texts) for texts in told(session, 1)] == [3]
        assert stats.chunks_read - chunks < 70 and stats.rows_read - rows < 40 and stats.bytes_read - size < 250_000


def test_commits_come_one_by_one() -> None:
    with Session(":memory:") as session:
        for n in range(40):
            session.add(World(n=n), replace=True)
            session.commit(f"{n}")
        before = session.stats.chunks_read
        changes = session.changes(0)
        assert next(changes).message == "0" and session.stats.chunks_read - before < 10
        assert [commit.sequence for commit in changes] == list(range(2, 41))
        assert [commit.sequence for commit in session.changes(0, until=3)] == [1, 2, 3]
        assert list(session.changes(40)) == [] and list(session.changes(3, until=3)) == []
        changes = session.changes(0)
    with pytest.raises(ClosedError):
        next(changes)


def test_a_commit_is_named_by_its_snapshot_or_a_time() -> None:
    with Session(":memory:") as session:
        for n in range(4):
            session.add(World(n=n), replace=True)
            session.commit()
        third = next(each for each in session.history() if each.sequence == 3)
        assert [commit.sequence for commit in session.changes(third)] == [4]
        assert [commit.sequence for commit in session.changes(third.time)] == [4]
        assert [commit.sequence for commit in session.changes(third.time - timedelta(days=1))] == [1, 2, 3, 4]
        assert [commit.sequence for commit in session.changes(0, until=third)] == [1, 2, 3]
        with pytest.raises(ValueError, match="commit 3, `since`, is later than commit 2, `until`"):
            session.changes(3, until=2)
        with pytest.raises(NoResultFound, match="no commit 9"):
            session.changes(3, until=9)
        with pytest.raises(ValueError, match="time zone"):
            session.changes(datetime(2024, 1, 1))
        with pytest.raises(TypeError, match="a commit is named by"):
            session.changes("3")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"changes\(classes=...\) takes classes of models, or their names, not 3"):
            session.changes(3, classes=[3])  # type: ignore[list-item]


def test_a_commit_that_is_gone_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        for n in range(5):
            session.add(World(n=n), replace=True)
            session.commit()
        second, *_ = [each for each in session.history() if each.sequence == 2]
        fifth = session.snapshot
        assert fifth is not None
        with pytest.raises(CommitGone, match=r"no commit 6 here: this session reads commit 5.*refresh\(\)"):
            session.changes(6)
        session.compact(keep=2)
        assert [commit.sequence for commit in session.changes(4)] == [5]
        for since in (0, 2, second, second.time):
            with pytest.raises(
                CommitGone, match=r"commit 4: the others were dropped by a compaction.*as of commit 5.*since=5"
            ):
                session.changes(since)
        assert list(session.changes(fifth)) == []  # its size is another one now
    save(path, World())
    with Session(path) as session:
        for n in range(6):
            session.root(World).n = n + 1
            session.commit()
        with pytest.raises(CommitGone, match="its commit 5 is another one: the file was replaced"):
            session.changes(fifth)


def test_classes_choose_what_is_told() -> None:
    class Other(Model):
        text: str = ""

    with Session(":memory:") as session:
        session.add_all([World(), Other(), *players(2)])
        session.commit()
        session.root(World).n = 1
        session.commit()
        session.root(Other).text = "x"
        session.get_one(Player, 1).name = "y"
        session.commit()

        def names(classes: Any) -> list[list[str]]:
            return [[row.cls for row in commit] for commit in session.changes(1, classes=classes)]

        assert names(()) == [["World"], ["Other", "Player"]]
        assert names(Player) == names("Player") == names([Player]) == [[], ["Player"]]
        assert names([World, "Other"]) == [["World"], ["Other"]]
        assert names("Nothing") == [[], []]


def test_a_reference_shows_its_key_and_leads_to_the_commit() -> None:
    with Session(":memory:") as session:
        session.add_all([Plane(tail="A"), Plane(tail="B", year=1), Flight(id=1, plane="A")])
        session.commit()
        flight = session.get_one(Flight, 1)
        flight.plane, flight.via = session.get_one(Plane, "B"), [flight.plane]
        flight.rest.append(session.get_one(Plane, "B"))
        session.commit()
        session.get_one(Plane, "B").year = 2
        session.commit()
        [changed, inserted], [plane] = (list(commit) for commit in session.changes(1, classes=[Flight, Plane]))
        field = changed.fields["plane"]
        assert (field.old.key, field.new.key, field.new.target.year) == ("A", "B", 1)  # type: ignore[attr-defined]
        assert str(changed) == "~ Flight[1] plane: Ref[Plane]('A') -> Ref[Plane]('B'), via: [] -> [Ref[Plane]('A')]"
        assert inserted.new.key == "B" and plain([inserted.new, changed.new]) == [
            "B", {"id": 1, "plane": "B", "via": ["A"], "rest": ["B"]},
        ]  # fmt: skip
        assert str(plane) == "~ Plane['B'] year: 1 -> 2"


def test_a_bulk_update_tells_each_row() -> None:
    def change(s: Session) -> None:
        s.execute(update(Player).where(Player.id >= 2).values(name="all"))

    assert after(players(4), change) == [f"~ Player[{n}] name: 'p{n}' -> 'all'" for n in (2, 3)]


def test_a_revert_takes_back() -> None:
    with Session(":memory:") as session:
        session.add(World(n=1))
        session.commit()
        session.root(World).n = 2
        session.commit()
        session.revert(1)
        assert told(session, 1) == [["~ World n: 1 -> 2"], ["~ World n: 2 -> 1"]]


def test_a_program_without_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([World(homes={"a": Home()}), *players(2)])
        session.commit()
        session.get_one(Player, 1).home.city = "Bonn"
        session.root(World).homes["a"].city = "Oslo"
        session.commit()
    code = (
        "import sys, parcode_orm\n"
        "with parcode_orm.open(sys.argv[1]) as s:\n"
        "    for commit in s.changes(0, classes=sys.argv[2:]):\n"
        "        for row in commit: print(row.kind, row.cls, row.key, row.where, *row.fields)\n"
    )

    def run(*classes: str) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", code, str(path), *classes], capture_output=True, text=True, check=True
        ).stdout.splitlines()

    assert run() == [
        "inserted Player 0 Player[0]",
        "inserted Player 1 Player[1]",
        "inserted World None World",
        "changed Player 1 Player[1] home.city",
        "changed World None World.homes['a'] city",
    ]
    assert run("World") == ["inserted World None World", "changed World None World.homes['a'] city"]


def test_a_migration_lies_in_between(tmp_path: Path) -> None:
    """Commits that the present classes cannot read are told by the classes that wrote them."""
    project = Project(tmp_path)
    old = project.define(BEFORE)
    project.make()
    project.store(
        old.World(name="w", players={"p1": old.Player(level=1, inventory=[5])}), old.Trade(buyer="b", price=7)
    )
    with Session(project.path) as session:
        session.root(old.World).players["p1"].level = 2
        session.commit()
    project.migrate()
    new = project.define(AFTER)
    project.make(renames=RENAMES)
    project.migrate()
    with Session(project.path) as session:
        session.root(new.World).players["p1"].rank = 3
        session.commit()
        for classes in ((), (new.World, new.Trade)):
            commits = list(session.changes(1, classes=classes))
            assert [list(map(str, commit)) for commit in commits] == [
                ["~ World.players['p1'] level: 1 -> 2"],
                [],
                [
                    "~ Trade[1] price: 7 -> 7.0, note: (none) -> None",
                    "~ World name: 'w' -> (none), title: (none) -> 'w'",
                    "~ World.players['p1'] level: 2 -> (none), bag.colour: (none) -> 'red', rank: (none) -> 2, "
                    "mana: (none) -> 1.5",
                    "~ World.players['p1'].inventory[0]: 5 -> 5.0",
                ],
                ["~ World.players['p1'] rank: 2 -> 3"],
            ]
            assert commits[0].schemas == [] and any("title" in text for text in commits[2].schemas)
            [row] = commits[3]
            assert isinstance(row.new, new.Hero)


def test_a_migration_renames_a_class(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define("class Town(Model):\n    n: int\nclass Trade(Model):\n    id: int = Key()\n    price: int = 0")
    project.make()
    project.store(old.Town(n=1), old.Trade(id=1))
    project.migrate()
    new = project.define(
        "@renamed_from('Town')\nclass City(Model):\n    n: int\n"
        "@renamed_from('Trade')\nclass Deal(Model):\n    id: int = Key()\n    price: int = 0"
    )
    project.make()
    project.migrate()
    with Session(project.path) as session:
        session.get_one(new.Deal, 1).price = 2
        session.root(new.City).n = 3
        session.commit()
        for classes in ((), (new.City, new.Deal), ("City", "Deal")):
            found = [texts for texts in told(session, 1, classes=classes) if texts]
            assert found == [["~ City n: 1 -> 3", "~ Deal[1] price: 0 -> 2"]]
        assert told(session, 0, until=1) == [["+ Town: Town(n=1)", "+ Trade[1]: Trade(id=1, price=0)"]]


def test_a_class_with_another_field_reads_older_commits(tmp_path: Path) -> None:
    def define(**fields: Any) -> Any:
        return type("Growing", (Model,), {"__annotations__": dict.fromkeys(("a", *fields), int), "a": 0, **fields})

    path = tmp_path / "a.par"
    first = define()
    save(path, first(a=1))
    second = define(b=5)
    with Session(path) as session:
        session.root(second).a = 2
        session.commit()
        session.root(second).b = 6
        session.commit()
        commits = list(session.changes(1))
        assert [list(map(str, commit)) for commit in commits] == [["~ Growing a: 1 -> 2"], ["~ Growing b: 5 -> 6"]]
        assert commits[0].schemas and not commits[1].schemas


def test_a_copy_follows_a_file_that_is_compacted(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as writer:
        writer.add_all([World(homes={"a": Home()}), *players(5)])
        writer.commit()
        with Session.open(path) as session:
            copy: Copy = {}
            since = 0
            for n in range(3):
                writer.root(World).homes["a"].log.append(n)
                writer.get_one(Player, n).name = f"n{n}"
                writer.commit()
                session.refresh()
                for commit in session.changes(since, classes=[World, Player]):
                    follow(copy, commit)
                    since = commit.sequence
                assert alike(copy, content(session, World, Player))
                writer.compact()


def test_spelled_names() -> None:
    assert spelled(("home", "city")) == ".home.city" and spelled(("a b",)) == "['a b']"
    assert names_of(Point()) == ["x"] and feed.names_of_asked(Player)[0] == {"Player[]"}

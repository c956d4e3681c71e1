"""`inspect`: who owns the bytes of a file. All sums are those of the file, and no value is read."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parcode_orm
from parcode_orm import Chunk, Index, Key, Model, Report, Session, ShardedMap, dumps, inspect, verify
from parcode_orm.errors import FileMissingError, NotAParcodeFile
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.checksum import checksum, fingerprint
from parcode_orm.format.layout import CHUNK_HEADER, NODE, REFERENCE, Encoding, Kind
from parcode_orm.inspector import owners, survey
from parcode_orm.inspector.entries import Entry
from parcode_orm.inspector.tree import table
from parcode_orm.native import specifications
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.writer import whole_bytes
from tests.effort import half
from tests.migrations.project import Project
from tests.small import tuned

pytestmark = pytest.mark.once


class Settings(Model):
    difficulty: int
    history: list[str] = Chunk()


class Player(Model):
    level: int
    guild: str | None = None
    inventory: list[int] = Chunk()


class GameWorld(Model):
    id: int
    name: str
    settings: Settings = Chunk()
    terrain: bytes = Chunk()
    players: dict[str, Player] = ShardedMap()


def world() -> GameWorld:
    return GameWorld(
        id=1,
        name="Aldermoor",
        settings=Settings(difficulty=3, history=[f"day {day}: all quiet" for day in range(1, 30)]),
        terrain=b"grass and water, " * 4_000,
        players={
            f"Hero{number}": Player(level=number % 90, guild=None if number % 3 else "red", inventory=[number] * 4)
            for number in range(6000)
        },
    )


GOLDEN = """\
bytes: 268 kB, format 1.0
  1 commit of TIME UTC, 1 schema
  268 kB live, 0 B dead
  8,257 bytes read to inspect it

part                   type                 rows   stored  share  encoding
GameWorld                                      1   267 kB  99.6%
├ id                   int                           81 B   0.0%  int
├ name                 str                          172 B   0.1%  text
├ settings             Settings                   1.36 kB   0.5%
│ ├ difficulty         int                           81 B   0.0%  int
│ └ history            list[str]              29  1.04 kB   0.4%  text, list
├ terrain              bytes                      68.7 kB  25.6%  blob, external
└ players              dict[str, Player]   6,000   196 kB  73.2%
  ├ keys               str                        65.2 kB  24.3%  text
  ├ level              int                        6.16 kB   2.3%  int
  ├ guild              str | None                 1.40 kB   0.5%  optional, constant
  ├ inventory          list[int]          24,000  60.8 kB  22.7%  int, list
  └ index: by key                                 61.1 kB  22.8%
schemas                                        1    640 B   0.2%
catalog                                             320 B   0.1%
superblock and record                               224 B   0.1%"""


def below(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from below(entry.children)


def by_path(report: Report) -> dict[tuple[str, str], Entry]:
    return {(entry.path, entry.kind): entry for entry in below(report.entries) if entry.path}


def check(data: bytes | Path) -> Report:
    """The report of a sound file, whose sums must be those of the file, and of `verify`."""
    report = inspect(data)
    assert report.ok, str(report)
    found = verify(data)
    assert found.ok, str(found)
    assert (report.live, report.dead, report.size) == (found.live, found.dead, found.size)
    assert sum(entry.stored for entry in report.entries) == report.size
    assert sum(entry.share for entry in report.entries) == pytest.approx(1)
    for entry in below(report.entries):
        assert entry.raw >= entry.stored and entry.share == pytest.approx(entry.stored / report.size)
        assert entry.stored >= sum(child.stored for child in entry.children) >= 0, entry
        assert sum(entry.encodings.values()) <= entry.stored and sum(entry.compression.values()) <= entry.stored
    assert json.loads(report.to_json()) == report.to_dict()
    return report


def test_the_text_of_a_report() -> None:
    report = check(dumps(world()))
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", str(report)) == GOLDEN
    assert repr(report) == f"<Report on bytes: {report.size:,} bytes, 0 problems>"
    players = by_path(report)["GameWorld.players", "map"]
    assert (players.name, players.type, players.rows, players.height) == ("players", "dict[str, Player]", 6000, 1)
    assert [child.name for child in players.children] == ["keys", "level", "guild", "inventory", "by key"]


def test_encodings_are_cut_before_names() -> None:
    encodings = {f"encoding {n}": n for n in range(9)}
    entry = Entry("sender, code", "World.x", "index", type="dict[str, Player]", encodings=encodings)
    _, line = (line for _, line in table([entry], 80))
    assert line.startswith("index: sender, code  dict[str, Player]  ") and line.endswith("…") and len(line) == 80


def test_depth_bounds_the_entries_and_not_the_sums() -> None:
    data = dumps(world())
    whole, two, one = inspect(data), inspect(data, depth=2), inspect(data, depth=1)
    assert not any(entry.children for entry in one.entries)
    assert not any(child.children for entry in two.entries for child in entry.children)
    assert [(entry.name, entry.stored, entry.rows) for entry in one.entries] == [
        (entry.name, entry.stored, entry.rows) for entry in whole.entries
    ]
    assert "players" in str(two) and "level" not in str(two) and "players" not in str(one)


def test_what_can_be_inspected(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    parcode_orm.save(path, world())
    data = path.read_bytes()
    with open(path, "rb") as file:
        found = [inspect(each) for each in (path, str(path), data, memoryview(data), file)]
    assert [report.path for report in found] == [str(path), str(path), "", "", ""]
    assert all(report.entries == found[0].entries for report in found)
    with pytest.raises(FileMissingError, match="none"):
        inspect(tmp_path / "none.par")
    with pytest.raises(NotAParcodeFile):
        inspect(b"something else")
    with pytest.raises(TypeError, match="an int, not 'all'"):
        inspect(path, depth="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 or more, not 0"):
        inspect(path, depth=0)


def test_no_value_is_read(tmp_path: Path) -> None:
    """The bytes read are those of heads, however large the values are."""
    path = tmp_path / "a.par"
    parcode_orm.save(path, world())
    small = inspect(path)
    assert small.bytes_read < 15_000
    large = world()
    large.terrain *= 100
    for player in large.players.values():
        player.guild = "a guild with a long name" * 10
    parcode_orm.save(path, large)
    report = inspect(path)
    assert report.size > 25 * small.size and report.bytes_read < 5 * small.bytes_read


class Animal(Model):
    name: str


class Dog(Animal):
    tricks: list[str] = []


class Tree(Model):
    value: int
    below: list[Tree] = []


class Trade(Model):
    id: int = Key()
    buyer: str = Index()
    code: str = Index(unique=True)
    notes: list[str] = Chunk(default=[])


OLD = """
class Hero(Model):
    level: int
    gold: int
class World(Model):
    heroes: dict[str, Hero] = ShardedMap()
"""


class Everything(Model):
    players: dict[str, Player] = ShardedMap(default={})
    rows: list[Player] = Chunk(default=[])
    more: list[Player] = Chunk(default=[], compression="lz4")
    grid: list[list[int]] = Chunk(default=[])
    names: set[str] = Chunk(default=set())
    pets: list[Animal] = Chunk(default=[])
    trees: list[Tree] = Chunk(default=[])
    mixed: list[int | Player | list[int]] = Chunk(default=[])
    text: str = Chunk(default="")


texts = st.text(max_size=4)
numbers = st.integers(0, 300)
players = st.builds(Player, level=numbers, guild=st.none() | texts, inventory=st.lists(numbers, max_size=30))
everything = st.fixed_dictionaries(
    {
        "players": st.dictionaries(texts, players, max_size=30),
        "rows": st.lists(players, max_size=30),
        "more": st.lists(players, max_size=30),
        "grid": st.lists(st.lists(numbers, max_size=4), max_size=20),
        "names": st.sets(texts, max_size=9),
        "pets": st.lists(
            st.builds(Animal, name=texts) | st.builds(Dog, name=texts, tricks=st.lists(texts)), max_size=9
        ),
        "trees": st.lists(
            st.recursive(
                st.builds(Tree, value=numbers),
                lambda below: st.builds(Tree, value=numbers, below=st.lists(below)),
                max_leaves=9,
            ),
            max_size=4,
        ),
        "mixed": st.lists(numbers | players | st.lists(numbers, max_size=3), max_size=20),
        "text": st.text(max_size=200),
    }
)


@half(30)
@given(states=st.lists(everything, min_size=1, max_size=3), trades=st.integers(0, 40))
def test_random_files(states: list[dict[str, Any]], trades: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All bytes have an owner, and rows are the lengths of collections, whatever is written and written again."""
    path = tmp_path_factory.mktemp("inspect") / "a.par"
    with tuned().Session(path, workers=0) as session:
        session.add(Everything())
        for number, state in enumerate(states):
            found = session.root(Everything)
            for name, value in state.items():
                setattr(found, name, value)
            for trade in range(trades):
                buyer, code = f"buyer {(trade + number) % 7}", f"{number} {trade}"
                session.merge(Trade(id=trade, buyer=buyer, code=code, notes=["note"] * (trade % 3)))
            session.commit()
            entries = by_path(check(path))
            for name, value in state.items():
                if name != "text":
                    assert entries[f"Everything.{name}", "map" if name == "players" else "list"].rows == len(value), (
                        name
                    )
            if trades:
                assert entries["Trade", "entities"].rows == trades
                assert entries["Trade[].notes", "list"].rows is not None


def test_a_chunk_that_two_parts_use_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path, workers=0) as session:
        session.add(Everything(rows=[Player(level=n, inventory=[n] * 9) for n in range(3000)]))
        session.commit()
        found = session.root(Everything)
        found.more = found.rows
        session.commit()
    report = check(path)
    entries = by_path(report)
    first, second = entries["Everything.rows", "list"], entries["Everything.more", "list"]
    assert first.rows == second.rows == 3000
    assert second.shared == first.stored - second.stored > 0 == first.shared
    assert "more (shares " in str(report)


def test_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.par"
    for number in range(5):
        with Session(path, workers=0, durability="fast" if number == 3 else "full") as session:
            session.add(Tree(value=number), replace=True)
            session.commit()
    report = check(path)
    assert [(each.sequence, each.kind) for each in report.commits] == [
        (5, "appended"), (4, "fast"), (3, "appended"), (2, "appended"), (1, "whole"),
    ]  # fmt: skip
    assert sum(each.size for each in report.commits) == report.size and report.commit_count == 5
    assert "5 commits, the newest of 20" in str(report) and "earlier commits" in str(report)
    monkeypatch.setattr(survey, "SHOWN", 2)
    assert [each.sequence for each in inspect(path).commits] == [5, 4] and inspect(path).commit_count == 5
    monkeypatch.setattr(survey, "COUNTED", 3)
    assert inspect(path).commit_count == 5  # by its number
    parcode_orm.compact(path, keep=2)
    found = check(path)
    assert found.commit_count == 2 and {each.kind for each in found.commits} == {"compacted", "whole"}


def test_too_many_parts_count_for_the_part_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dumps(world())
    whole = inspect(data)
    monkeypatch.setattr(owners, "MOST", 4)
    report = check(data)
    assert len(list(below(report.entries))) < len(list(below(whole.entries)))
    assert [entry.stored for entry in report.entries] == [entry.stored for entry in whole.entries]


def test_fields_are_those_of_the_newest_class(tmp_path: Path) -> None:
    """Rows of an older schema count for the fields as they are called now."""
    project = Project(tmp_path, "heroes_inspected")
    old = project.define(OLD)
    project.make()
    project.store(old.World(heroes={f"p{n}": old.Hero(level=n, gold=n) for n in range(5000)}))
    project.migrate()
    new = project.define(OLD.replace("level: int", "rank: int").replace("gold: int", "mana: float = 1.5"))
    project.make(renames={"Hero.level": "rank"})
    project.migrate()
    with Session(project.path) as session:
        session.root(new.World).heroes["new"] = new.Hero(rank=7)
        session.commit()
    heroes = by_path(check(project.path))["World.heroes", "map"]
    assert heroes.rows == 5001 and "rows of 2 schemas" in heroes.notes
    names = {child.name: child for child in heroes.children}
    assert names.keys() == {"keys", "rank", "gold", "mana", "by key"}
    assert names["rank"].encodings["int"] > 5000 and names["mana"].type == "float"


# -- damage ------------------------------------------------------------------------------------------------------------


class Team(Model):
    name: str
    members: list[Player] = Chunk(default=[])


class League(Model):
    teams: dict[str, Team] = ShardedMap(default={})
    players: list[Player] = Chunk(default=[])
    logo: bytes = Chunk(default=b"")


@pytest.fixture(scope="module")
def damaged_one(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two commits, with every kind of chunk."""
    path = tmp_path_factory.mktemp("damage") / "a.par"
    players = [Player(level=n, guild=f"guild {n}", inventory=[n] * 9) for n in range(40)]
    teams = {f"team {n}": Team(name=f"team {n}", members=players[: n % 20]) for n in range(30)}
    with tuned().Session(path, workers=0) as session:
        session.add(League(teams=teams, players=players, logo=b"logo" * 1000))
        for number in range(20):
            session.add(Trade(id=number, buyer=f"b{number % 5}", code=str(number)))
        session.commit()
        session.root(League).players[3].level = 77
        session.commit()
    return path.read_bytes()


def chunks(data: bytes) -> dict[int, list[Any]]:
    """The chunks of the newest commit, by kind."""
    source = Source.open(data)
    found: dict[int, list[Any]] = {}
    seen = set()
    waiting = [source.record.catalog]
    while waiting:
        ref = waiting.pop()
        if ref not in seen:
            seen.add(ref)
            found.setdefault(ref.kind, []).append(ref)
            waiting += source.chunk(ref).refs
    return found


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


PATH = re.compile(r"\b(League|Trade)\b|the catalog|schema [0-9a-f]{8}")


def test_a_flip_in_each_kind_of_chunk(damaged_one: bytes) -> None:
    """`inspect` goes on behind a damaged head, and says where it was; `verify` finds the same, and damaged values."""
    whole = check(damaged_one)
    found = chunks(damaged_one)
    assert {Kind(kind) for kind in found} == set(Kind)
    for kind, refs in found.items():
        for ref in (refs[0], refs[-1]):
            data = flipped(damaged_one, ref.offset + 40)
            report, verified = inspect(data), verify(data)
            assert not report.ok and not verified.ok
            problem = report.problems[0]
            assert problem.offset == ref.offset and PATH.search(problem.where), problem
            assert (problem.offset, problem.where) in [(each.offset, each.where) for each in verified.problems]
            assert sum(entry.stored for entry in report.entries) == report.size == whole.size
            assert "damaged" in str(report) and str(problem) in str(report)
            if kind not in (Kind.CATALOG, Kind.SCHEMA):
                assert {entry.name for entry in report.entries} >= {"League", "Trade"}
            chunk = Source.open(damaged_one).chunk(ref)
            for node in [node for node in chunk.nodes if node.stored][-1:]:
                at = ref.offset + node.place
                verified = verify(flipped(damaged_one, at))
                assert at in [each.offset for each in verified.problems]
                assert all(PATH.search(each.where) for each in verified.problems), verified


def test_rows_and_columns_of_what_is_damaged(damaged_one: bytes) -> None:
    """A damaged buffer is that of a column and of rows."""
    source = Source.open(damaged_one)
    wheres = set()
    for kind, third, number in product((Kind.ROW_GROUP, Kind.COLUMN), range(3), range(6)):
        data = bytearray(damaged_one)
        for ref in chunks(damaged_one)[kind][third::3]:
            stored = [node for node in source.chunk(ref).nodes if node.stored]
            if number < len(stored):
                data[ref.offset + stored[number].place] ^= 4
        wheres |= {problem.where for problem in verify(data).problems}
    assert wheres >= {
        "row group of the keys of League.teams, rows 6 to 11",
        "row group of League.teams[].name, rows 6 to 11",
        "row group of League.players[].guild, rows 12 to 17",
        "column of League.teams[].members[].inventory, row 3, in row 4 of League.teams",
        "row group of the index code of Trade, rows 12 to 17",
        "row group of League.teams[].members[].guild, rows 0 to 5, in row 17 of League.teams",
        "column of League.teams[].members[].inventory, rows 6 to 11, in row 17 of League.teams",
    }, sorted(wheres)


def test_a_torn_tail(damaged_one: bytes) -> None:
    report = inspect(damaged_one + b"torn" * 100)
    assert report.ok and report.notes == ("400 bytes after the newest whole commit were ignored",)
    assert report.entries[-1].kind == "gaps" and report.entries[-1].stored == 400
    earlier = inspect(damaged_one[:-5000])
    assert earlier.commit_count == 1 and sum(entry.stored for entry in earlier.entries) == earlier.size


@pytest.mark.parametrize("zeroed", [True, False])
def test_a_missing_middle(damaged_one: bytes, *, zeroed: bool) -> None:
    start, stop = len(damaged_one) // 3, 2 * len(damaged_one) // 3
    middle = bytes(stop - start) if zeroed else b""
    report = inspect(damaged_one[:start] + middle + damaged_one[stop:])
    assert not report.ok and sum(entry.stored for entry in report.entries) == report.size
    if zeroed:
        assert {entry.name for entry in report.entries} >= {"League", "Trade", "earlier commits"}
        assert any("League.teams" in problem.where for problem in report.problems)
    else:  # the places of what follows are other ones than the record says
        kinds = {entry.kind for entry in report.entries}
        assert "row group" in kinds and "gaps" in kinds and "no commit" in report.notes[0]
        assert "row groups" in str(report)


def test_a_damaged_superblock(damaged_one: bytes) -> None:
    report = inspect(flipped(damaged_one, 45))
    assert report.problems[0].where == "superblock" and report.commits == ()
    assert sum(entry.stored for entry in report.entries) == report.size


@half(40)
@given(seed=st.integers(0, 1 << 32), spots=st.integers(1, 9))
def test_never_raises_for_damage(damaged_one: bytes, seed: int, spots: int) -> None:
    rng = random.Random(seed)
    data = bytearray(damaged_one)
    for _ in range(spots):
        at, size = rng.randrange(64, len(data)), rng.choice((1, 1, 8, 64, 5000))
        data[at : at + size] = rng.choice((rng.randbytes(min(size, len(data) - at)), bytes(min(size, len(data) - at))))
    report = inspect(bytes(data[: rng.choice((len(data), rng.randrange(100, len(data))))]))
    assert sum(entry.stored for entry in report.entries) == report.size
    assert str(report) and report._repr_html_() and report.to_json()


class Agreed(int):
    """A checksum that is every other one."""

    __hash__ = int.__hash__

    def __ne__(self, other: object) -> bool:
        return False


BIG = 1 << 31
LIES = {"encoding": (0, 99), "span": (4, BIG), "count": (8, BIG), "param": (12, BIG), "stored": (24, 1 << 62)}
SMALL_WORLD = dumps(
    GameWorld(id=1, name="w", settings=Settings(difficulty=1, history=["x"]), terrain=b"t" * 40_000, players={})
)


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("node", range(10))
def test_directories_that_lie(node: int, lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged directory, whose checksums fit, takes no memory and no byte of others."""
    data = bytearray(SMALL_WORLD)
    source = Source.open(SMALL_WORLD)
    ref = source.catalog.root("GameWorld")
    chunk = source.chunk(ref)
    for module in ("chunk", "heads"):
        monkeypatch.setattr(f"parcode_orm.format.{module}.checksum", lambda *_: Agreed())
        monkeypatch.setattr(f"parcode_orm.format.{module}.read_head", specifications["read_head"])  # C has its own
        monkeypatch.setattr(f"parcode_orm.format.{module}.chunks_of", specifications["chunks_of"])
    at, value = LIES[lie]
    place = ref.offset + CHUNK_HEADER.size + len(chunk.refs) * REFERENCE.size + node * NODE.size + at
    size = {0: 1, 24: 8}.get(at, 4)
    data[place : place + size] = value.to_bytes(size, "little")
    report = inspect(bytes(data))
    assert sum(entry.stored for entry in report.entries) == report.size
    assert all(entry.stored >= 0 for entry in below(report.entries)) and str(report)
    assert verify(bytes(data)).to_dict()


# -- hostile names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x" * 10_000_000, "\x1b[31mred\x07", "<script>alert(1)</script>", "a\u202eb", "../../etc"]
)
def test_hostile_names(name: str) -> None:
    """Names of a root and of a field are shown harmless, and bounded."""

    def build(pipeline: Pipeline) -> CatalogData:
        schema = {
            "root": {"struct": name},
            "structs": {name: {"struct": name, "kind": "model", "fields": [[name, "int"]]}},
        }
        data = msgspec.json.encode(schema, order="sorted")
        out = pipeline.encoder(Kind.SCHEMA)
        out.leaf(Encoding.RAW, 1, data)
        stored = pipeline.submit(out)
        group = pipeline.encoder(Kind.ROW_GROUP, None, checksum(data))
        top = group.open(Encoding.STRUCT, 1)
        inner = group.open(Encoding.STRUCT, 1)
        group.leaf(Encoding.INT, 1, b"\7", width=1)
        group.close(inner)
        group.close(top)
        print_of = fingerprint(data)
        return CatalogData({name: pipeline.submit(group)}, {}, {print_of: stored}, {name: print_of})

    data = whole_bytes(build, workers=0)
    for report in (inspect(data), inspect(flipped(data, 64 + 40))):
        texts = [str(report), report._repr_html_(), repr(report)]
        assert all(len(text) < 20_000 for text in texts) and len(report.to_json()) < 100_000
        shown = "".join(texts)
        assert "\x1b" not in shown and "\x07" not in shown and "\u202e" not in shown
        assert "<script" not in report._repr_html_()
    (field,) = inspect(data).entries[0].children
    assert field.rows is None and field.type == "int"
    verified = verify(flipped(data, len(data) - 400))
    assert len(str(verified)) < 20_000 and "\x1b" not in str(verified)

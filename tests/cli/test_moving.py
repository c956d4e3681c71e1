"""Rows out of a file and into it by commands; a shell on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from parcode_orm import Chunk, Index, Key, Model, Session, ShardedMap, select

from .shell import parcode

GOLDEN = Path(__file__).parents[1] / "golden" / "rust"

pytestmark = pytest.mark.once


class Player(Model):
    level: int
    bag: list[int] = Chunk()


class World(Model):
    name: str
    players: dict[str, Player] = ShardedMap()


class Trade(Model):
    id: int = Key(default=None, auto=True)
    buyer: str = Index()
    price: int


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(World(name="w", players={f"p{n}": Player(level=n, bag=[n]) for n in range(4)}))
        session.add_all(Trade(buyer=f"p{n % 3}", price=n) for n in range(10))
        session.commit()
        session.root(World).name = "v"
        session.commit()
    return path


def test_rows_go_out(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert parcode("export", file, "players", out).stdout == f"4 rows to {out} (50 bytes)\n"
    assert out.read_text() == "key,level,bag\np0,0,[0]\np1,1,[1]\np2,2,[2]\np3,3,[3]\n"
    assert "exists" in parcode("export", file, "Trade", out, code=2).stderr
    options = ["--where", "price > 3 and buyer == 'p1'", "--columns", "price, id", "--order=-price", "--force"]
    found = json.loads(parcode("export", file, "Trade", out, *options, "--json").stdout)
    assert found == {"path": str(out), "format": "csv", "rows": 2, "bytes": 17}
    assert out.read_text() == "price,id\n7,8\n4,5\n"
    assert "no list" in parcode("export", file, "World", tmp_path / "x.csv", code=2).stderr
    assert not (tmp_path / "x.csv").exists()


def test_rows_go_to_the_standard_output(file: Path) -> None:
    found = parcode("export", file, "Trade", "-", "--format", "jsonl", "--limit", 2)
    assert found.stdout == '{"id":1,"buyer":"p0","price":0}\n{"id":2,"buyer":"p1","price":1}\n'


def test_rows_come_in(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, other = tmp_path / "new-trades.jsonl", tmp_path / "b.par"
    parcode("export", file, "Trade", source)
    assert parcode("import", other, source).stdout == "10 rows as NewTrades\n"
    assert parcode("import", file, source, "--name", "Trade", "--merge").stdout == "10 rows as Trade\n"
    assert "With --merge, rows replace" in parcode("import", file, source, "--name", "Trade", code=2).stderr

    (tmp_path / "shop.py").write_text(
        "from parcode_orm import Key, Model\nclass Sale(Model):\n    id: int = Key()\n    price: float\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "shop", raising=False)  # that of another test
    found = json.loads(parcode("import", other, source, "--model", "shop.py:Sale", "--json").stdout)
    assert found == {"class": "Sale", "rows": 10}
    assert "has no model Sold: it has Sale" in parcode("import", other, source, "--model", "shop:Sold", code=2).stderr
    assert "names no class" in parcode("import", other, source, "--model", "shop", code=2).stderr
    assert "FileNotFoundError" in parcode("import", other, tmp_path / "no.csv", code=2).stderr
    with Session.open(other) as session:
        models = session.models()
        assert sorted(models) == ["NewTrades", "Sale"]
        assert sum(session.scalars(select(models["Sale"])).column(models["Sale"].price)) == 45.0


def test_a_file_gets_smaller(file: Path) -> None:
    before = file.stat().st_size
    found = json.loads(parcode("compact", file, "--json").stdout)
    assert found["before"] == before and found["after"] == file.stat().st_size < before
    assert " bytes before, " in parcode("compact", file, "--keep", 2).stdout
    assert "FileMissingError" in parcode("compact", file.with_name("no.par"), code=2).stderr


def test_a_file_of_the_rust_crate_becomes_a_root(tmp_path: Path) -> None:
    source = GOLDEN / "world-0.6.1.par"
    file, models = tmp_path / "own.par", f"{GOLDEN / 'models.py'}:World"
    given = ("import", file, source, "--rust", "--model", models)
    assert parcode(*given).stdout.startswith(f"World from {source} (")
    assert "With --merge, it is replaced" in parcode(*given, code=2).stderr
    assert json.loads(parcode(*given, "--merge", "--json").stdout)["class"] == "World"
    with Session.open(file) as session:
        assert session.roots() == ["World"]
        assert next(iter(session.history())).message == "import of world-0.6.1.par"
    assert "no --name, --key and --format" in parcode(*given, "--key", "id", code=2).stderr
    assert "there is --model" in parcode("import", file, source, "--rust", code=2).stderr
    assert "NotAParcodeFile" in parcode("import", file, file, *given[3:], code=3).stderr
    (tmp_path / "cut.par").write_bytes(source.read_bytes()[1:])
    damaged = parcode("import", tmp_path / "new.par", tmp_path / "cut.par", *given[3:], code=4)
    assert "TruncatedError" in damaged.stderr and not (tmp_path / "new.par").exists()

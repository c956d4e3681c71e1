"""`parcode schema`, `log` and `diff`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import parcode_orm
from parcode_orm import Session

from .shell import parcode
from .worlds import GameWorld, Player, Trade, write_world

pytestmark = pytest.mark.once

CHANGES = """\
~ GameWorld.players['Hero3'].level: 3 -> 77
+ GameWorld.players['Hero3'].inventory[1]: 5
~ Trade[5].price: 4 -> 1000
+ Trade[2001]: Trade(id=2001, buyer='\\x1b[31mred\\u202e\\n', price=2000)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world") / "game.par")


def test_schema(file: Path) -> None:
    source = parcode("schema", file).stdout
    assert "class Trade(Model):\n    id: int = Key(default=None, auto=True)\n    buyer: str = Index()\n" in source
    found = json.loads(parcode("schema", file, "--json").stdout)
    assert found["roots"] == ["GameWorld"] and found["entities"] == {"Trade": {"key": {"type": "integer"}}}


def test_log(file: Path) -> None:
    lines = parcode("log", file).stdout.splitlines()
    assert re.fullmatch(r"commit  time \(UTC\) +bytes  message", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["3", "2", "1"]
    assert lines[1].endswith("  prices") and lines[3].endswith("  first")
    found = [json.loads(line) for line in parcode("log", file, "--json").stdout.splitlines()]
    assert [each["commit"] for each in found] == [3, 2, 1]
    assert sum(each["bytes"] for each in found) == file.stat().st_size == found[0]["size"]
    assert len(parcode("log", file, "-n", 1).stdout.splitlines()) == 2


def test_diff_of_two_commits(file: Path) -> None:
    assert parcode("diff", f"{file}@1", file, code=1).stdout == CHANGES
    assert parcode("diff", f"{file}@1", f"{file}@2", code=1, columns=40).stdout == "".join(
        CHANGES.splitlines(keepends=True)[:2]
    )
    assert parcode("diff", f"{file}@2", f"{file}@2").stdout == "No differences\n"
    found = [json.loads(line) for line in parcode("diff", f"{file}@1", file, "--json", code=1).stdout.splitlines()]
    assert found[0] == {"kind": "changed", "where": "GameWorld.players['Hero3'].level", "old": 3, "new": 77}
    assert found[1] == {"kind": "added", "where": "GameWorld.players['Hero3'].inventory[1]", "new": 5}
    assert len(parcode("diff", f"{file}@1", file, "-n", 1, code=1).stdout.splitlines()) == 1
    assert "commits 1 to 3" in parcode("diff", file, f"{file}@9", code=2).stderr
    assert "shop.par@3" in parcode("diff", f"{file}@x", file, code=2).stderr


def test_diff_of_two_files(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a@1"
    shutil.copy(file, copy)
    assert parcode("diff", file, copy).stdout == "No differences\n"
    assert parcode("diff", f"{file}@1", copy, code=1).stdout == CHANGES
    parcode_orm.compact(copy)
    assert parcode("diff", file, copy).stdout == "No differences\n"


def test_files_whose_content_lies_at_the_same_places(tmp_path: Path) -> None:
    """The places alone said that all of it was the same: offsets are a file's own."""
    for name, level in (("a.par", 1), ("b.par", 2)):
        players = {f"h{n}": Player(level=level + n % 5, inventory=[level] * 5) for n in range(3_000)}
        with Session(tmp_path / name) as session:
            session.add(GameWorld.model_construct(name="x", players=players, terrain=bytes([level]) * 100_000))
            session.add_all(Trade(buyer="b", price=level) for _ in range(3_000))
            session.commit()
    with Session.open(tmp_path / "a.par") as one, Session.open(tmp_path / "b.par") as other:
        assert one.snapshot is not None and other.snapshot is not None and one.snapshot.size == other.snapshot.size
        found = [change.where for change in other.diff(one, other, GameWorld, Trade)]
    assert found.count("GameWorld.terrain") == 1 and "Trade[3000].price" in found
    assert sum(where.endswith("].level") for where in found) == 3_000 == sum("Trade" in where for where in found)
    assert sum("inventory" in where for where in found) == 15_000

"""The `evolution` workload: a file opened with a class that has one field more, one renamed and one gone.

Beside it the same file is opened with the class that wrote it. Each opening is of a new session. The migration without
`rewrite` writes the catalog alone.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, reached, say, sweep, table
from parcode_orm import Field, Model, Session, ShardedMap, load, save
from parcode_orm.migrations import migrate

ROUNDS = 5
OPENINGS = 15
TIMES_OPEN, TIMES_LOAD, WRITTEN = 1.2, 1.3, 64 << 10

MIGRATIONS = {
    "0001_initial": """
from parcode_orm import ShardedMap
from parcode_orm.migrations import CreateModel, Field, Named

dependencies = []
operations = [
    CreateModel(
        "Player",
        "game:Player",
        {"name": Field(str), "level": Field(int), "score": Field(float), "guild": Field(str)},
    ),
    CreateModel("Game", "game:Game", {"players": Field(dict[str, Named("Player")], ShardedMap())}),
]
""",
    "0002_mana": """
from parcode_orm.migrations import AddField, Field, RemoveField, RenameField

dependencies = ["0001_initial"]
operations = [
    RenameField("Player", "level", "rank"),
    RemoveField("Player", "guild"),
    AddField("Player", "mana", Field(int, default=7)),
]
""",
}


def written() -> type[Model]:
    class Player(Model):
        name: str
        level: int
        score: float
        guild: str

    class Game(Model):
        players: dict[str, Player] = ShardedMap()

    return Game


def today() -> type[Model]:
    class Player(Model):
        name: str
        rank: int = Field(renamed_from="level")
        score: float
        mana: int = 7

    class Game(Model):
        players: dict[str, Player] = ShardedMap()

    return Game


def one_row(path: Path, kind: type[Any], key: str, field: str) -> float:
    """Seconds to open the file and read one field of one row, with the processor's caches swept."""

    def read() -> None:
        with Session.open(path) as session:
            assert getattr(session.root(kind).players[key], field) is not None

    sweep().count(1)
    return clock(read)


def whole(path: Path, kind: type[Any]) -> float:
    gc.collect()
    return clock(lambda: load(path, kind))


def paired(old: Callable[[], float], new: Callable[[], float], rounds: int) -> tuple[float, float]:
    """The medians of both, which take turns."""
    found = [(old(), new()) for _ in range(rounds)]
    return statistics.median(each[0] for each in found), statistics.median(each[1] for each in found)


def evolution(rows: int, directory: Path) -> dict[str, Any]:
    path, history = directory / "old.par", directory / "migrations"
    before: Any = written()
    after: Any = today()
    row = before.model_fields["players"].annotation.__args__[1]
    say(f"saving {rows:,} rows")
    save(path, before(players={f"p{n}": row(name=f"n{n}", level=n, score=n / 7, guild="g") for n in range(rows)}))
    size, stored = path.stat().st_size, path.read_bytes()
    key = f"p{rows // 2}"
    say("opening")
    cold = paired(lambda: one_row(path, before, key, "name"), lambda: one_row(path, after, key, "mana"), OPENINGS)
    say("loading")
    loaded = paired(lambda: whole(path, before), lambda: whole(path, after), ROUNDS)
    assert path.read_bytes() == stored
    say("migrating")
    history.mkdir()
    for name, text in MIGRATIONS.items():
        (history / f"{name}.py").write_text(text)
    seconds = clock(lambda: migrate(path, migrations=history))
    player = load(path, after).players[key]
    assert (player.rank, player.mana) == (rows // 2, 7)
    steps = {"open and read one row": cold, "load all": loaded}
    result = {"steps": {what: {"unchanged": old, "changed": new} for what, (old, new) in steps.items()}}
    grown = path.stat().st_size - size
    return (
        {"workload": "evolution", "rows": rows, "bytes": size, "migrate": seconds, "written": grown}
        | result
        | machine()
    )


def text(result: dict[str, Any]) -> str:
    steps = result["steps"]
    ratios = {what: each["changed"] / each["unchanged"] for what, each in steps.items()}
    rows = [
        [what, number(each["unchanged"] * 1e3), number(each["changed"] * 1e3), number(ratios[what])]
        for what, each in steps.items()
    ]
    return "\n".join(
        [
            f"evolution: {result['rows']:,} rows, {result['bytes']:,} bytes; medians of pairs",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(["", "class that wrote, ms", "changed class, ms", "times"], rows),
            f"migrate without rewrite: {number(result['migrate'] * 1e3)} ms, {result['written']:,} bytes written",
            "",
            reached("open and read one row", ratios["open and read one row"], "<=", TIMES_OPEN),
            reached("load all", ratios["load all"], "<=", TIMES_LOAD),
            reached("bytes written by the migration", result["written"], "<=", WRITTEN),
        ]
    )

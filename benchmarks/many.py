"""The `many` workload: a commit of very many rows changed in place, beside a load and save of all, and a diff of many.

Each round makes both files anew. The committed file must equal plain objects that took the same change, and the diff
must name each row once.
"""

from __future__ import annotations

import gc
import statistics
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, reached, say, table
from parcode_orm import Model, Session, ShardedMap, load, save

TIMES_SAVE, DIFF_SECONDS = 5, 1
STEPS = {
    "save": "save all rows",
    "whole": "load and save all rows",
    "change": "change each in place",
    "commit": "commit",
    "diff": "diff of two commits",
}


class Player(Model):
    n: int
    name: str
    inventory: list[int]


class Game(Model):
    players: dict[str, Player] = ShardedMap()


class Score(Model):
    n: int
    name: str
    points: float


class Board(Model):
    scores: dict[str, Score] = ShardedMap()


def game(rows: int) -> Game:
    return Game(players={str(n): Player(n=n, name="x" * 50, inventory=[n]) for n in range(rows)})


def commit(path: Path, rows: int) -> dict[str, float]:
    """Seconds of the commit of `rows` changed rows, and of a save of as many."""
    save(path, game(rows))
    with Session(path, durability="fast") as session:
        stored = session.root(Game)

        def change() -> None:
            for player in stored.players.values():
                player.inventory.append(1)

        gc.collect()
        seconds = {"change": clock(change)}
        seconds["commit"] = clock(session.commit)
    expected = game(rows)
    for player in expected.players.values():
        player.inventory.append(1)
    if load(path, Game) != expected:
        raise AssertionError(f"{path.name}: the rows are not those that were changed")
    gc.collect()
    copy = path.with_suffix(".copy")
    seconds["save"] = clock(lambda: save(copy, expected, durability="fast"))
    gc.collect()
    seconds["whole"] = clock(lambda: save(copy, load(path, Game), durability="fast"))
    copy.unlink()
    path.unlink()
    return seconds


def diff(path: Path, rows: int) -> float:
    """Seconds of a diff in which every row differs in one number."""
    save(path, Board(scores={str(n): Score(n=n, name=f"player {n}", points=n / 4) for n in range(rows)}))
    with Session(path, durability="fast") as session:
        for score in session.root(Board).scores.values():
            score.n += 1
        session.commit()
    with Session.open(path) as session:
        gc.collect()
        changes: list[Any] = []
        seconds = clock(lambda: changes.extend(session.diff(1, 2, Board)))
    found = [(change.path, change.old, change.new) for change in changes]
    if found != [(("Board", "scores", str(n), "n"), n, n + 1) for n in range(rows)]:
        raise AssertionError(f"{path.name}: the diff does not name the rows that were changed")
    path.unlink()
    return seconds


def many(rows: int, changed: int, repeat: int, directory: Path) -> dict[str, Any]:
    samples: dict[str, list[float]] = {step: [] for step in STEPS}
    for turn in range(repeat):
        say(f"round {turn + 1} of {repeat}")
        for step, seconds in commit(directory / "commit.par", rows).items():
            samples[step].append(seconds)
        samples["diff"].append(diff(directory / "diff.par", changed))
    result = {"workload": "many", "rows": rows, "changed": changed, "repeat": repeat}
    steps = {step: statistics.median(found) for step, found in samples.items()}
    return {**result, "steps": steps, "samples": samples, **machine()}


def text(result: dict[str, Any]) -> str:
    steps = result["steps"]
    counts = {**dict.fromkeys(STEPS, result["rows"]), "diff": result["changed"]}
    rows = [[what, f"{counts[step]:,}", number(steps[step])] for step, what in STEPS.items()]
    return "\n".join(
        [
            f"many: medians of {result['repeat']} rounds",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(["", "rows", "s"], rows),
            "",
            "Reach:",
            reached("commit / load and save", steps["commit"] / steps["whole"], "<=", TIMES_SAVE),
            f"        commit / save alone: {number(steps['commit'] / steps['save'])}",
            reached("s for the diff", steps["diff"], "<=", DIFF_SECONDS),
        ]
    )

"""The `calls` workload: what a step walks through, as calls of the package's functions, modules, and changes of floor.

A change of floor is a call from one subpackage into another. Each step is done once before it is counted, so that
nothing is imported, compiled or opened for the first time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import parcode_orm
from benchmarks.measure import machine, reached, table
from parcode_orm import Model, Session, ShardedMap, save

PACKAGE = os.path.dirname(parcode_orm.__file__) + os.sep
ROWS = 20_000
CALLS, MODULES, CHANGES = 350, 30, 60  # at most, of the commit of one row

Step = Callable[[], object]


class Counter(Model):
    n: int = 0


class Row(Model):
    n: int
    text: str


class Book(Model):
    rows: dict[str, Row] = ShardedMap()


def counted(step: Step) -> dict[str, int]:
    """Calls, modules and changes of floor of one step."""
    modules: set[str] = set()
    calls = changes = 0

    def module_of(frame: FrameType | None) -> str | None:
        while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        return None if frame is None else frame.f_code.co_filename[len(PACKAGE) :]

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls, changes
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            module, caller = frame.f_code.co_filename[len(PACKAGE) :], module_of(frame.f_back)
            calls += 1
            modules.add(module)
            changes += caller is not None and caller.split(os.sep)[0] != module.split(os.sep)[0]

    sys.setprofile(profile)
    try:
        step()
    finally:
        sys.setprofile(None)
    return {"calls": calls, "modules": len(modules), "changes": changes}


def steps(directory: Path) -> dict[str, Callable[[], Step]]:
    """By name, what makes ready for a step, and gives it."""
    small, large = directory / "small.par", directory / "large.par"
    save(small, Counter(n=1))
    save(large, Book(rows={f"k{n}": Row(n=n, text=f"row {n}") for n in range(ROWS)}))

    def whole() -> Step:
        counter = Counter(n=1)
        return lambda: save(directory / "saved.par", counter, durability="fast")

    def opened() -> Step:
        def read() -> None:
            with Session.open(small) as session:
                assert session.root(Counter).n

        return read

    def field() -> Step:
        root = Session.open(small).root(Counter)
        return lambda: root.n

    def lookup() -> Step:
        rows = Session.open(large).root(Book).rows
        assert rows["k5"].n == 5
        return lambda: rows["k777"]

    def lookup_open() -> Step:
        rows = Session.open(large).root(Book).rows
        assert rows["k777"].n == 777
        return lambda: rows["k777"].n

    def commit_field() -> Step:
        session = Session(small, durability="fast")
        root = session.root(Counter)
        for _ in range(2):
            session.commit()
            root.n += 1
        return session.commit

    def commit_row() -> Step:
        session = Session(large, durability="fast")
        rows = session.root(Book).rows
        for key in ("k5", "k9000"):
            session.commit()
            rows[key].n += 1
        return session.commit

    return {
        "save a root with one int": whole,
        "open, one field, close": opened,
        "first read of a field": field,
        "lookup in a map": lookup,
        "lookup and field, all open": lookup_open,
        "commit of one int": commit_field,
        "commit of one row": commit_row,
    }


def calls(directory: Path) -> dict[str, Any]:
    found = {}
    for name, prepare in steps(directory).items():
        prepare()()
        found[name] = counted(prepare())
    return {"workload": "calls", "steps": found, **machine()}


def text(result: dict[str, Any]) -> str:
    rows = [[name, *(f"{count:,}" for count in each.values())] for name, each in result["steps"].items()]
    row = result["steps"]["commit of one row"]
    lines = [
        "calls of the package's functions",
        f"Python {result['python']}, {result['platform']}",
        "",
        *table(["step", "calls", "modules", "changes of floor"], rows),
        "",
        "Reach, of the commit of one row:",
        reached("calls", row["calls"], "<=", CALLS),
        reached("modules", row["modules"], "<=", MODULES),
        reached("changes of floor", row["changes"], "<=", CHANGES),
    ]
    return "\n".join(lines)

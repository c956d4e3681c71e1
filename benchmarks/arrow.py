"""The `arrow` workload: DuckDB and Polars read a file of entities, beside their own table and Parquet.

"Warm" asks a dataset of rows that was asked before; "cold" opens the file. DuckDB's own table is in its own file, and
open.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, reached, say, table
from parcode_orm import Key, Model, Session, select

ROUNDS = 15
BOUND = 1.5
GUILDS = 50


class Player(Model):
    id: int = Key()
    name: str
    guild: str
    level: int
    score: float


def players(count: int) -> Iterator[Player]:
    for n in range(count):
        yield Player(id=n, name=f"Hero {n}", guild=f"guild {n * 7 % GUILDS}", level=n * 31 % 99, score=n % 1000 / 7)


def run(count: int, directory: Path) -> dict[str, Any]:
    """Milliseconds of each question, by who reads what, and the bytes that ours read."""
    import duckdb
    import polars
    import pyarrow as pa

    from parcode_orm.interop.arrow import from_arrow, scan_parcode, to_parquet

    ours, parquet = directory / "players.par", directory / "players.parquet"
    say(f"write {count:,} players")
    with Session(ours) as session:
        session.add_all(players(count))
        session.commit()
    session = Session.open(ours)
    rows = session.scalars(select(Player))
    asked = rows.arrow_dataset()
    table_of_arrow = pa.table(rows)
    to_parquet(rows, parquet)
    own = duckdb.connect(str(directory / "players.duckdb"))
    own.sql("create table players as select * from table_of_arrow")
    by_guild = "select guild, avg(level) from players group by guild order by guild"

    def grouped(players: Any) -> Any:
        assert players is not None  # DuckDB takes the variable by its name
        return duckdb.sql(by_guild).fetchall()

    def grouped_cold() -> Any:
        with Session.open(ours) as fresh:
            return grouped(fresh.scalars(select(Player)).arrow_dataset())

    def filtered(frame: Any) -> Any:
        return frame.filter(polars.col("level") > 95).select("id", "score").collect()

    steps: dict[str, Callable[[], Any]] = {
        "DuckDB, our file, warm": lambda: grouped(asked),
        "DuckDB, our file, cold": grouped_cold,
        "DuckDB, its own table": lambda: own.sql(by_guild).fetchall(),
        "Polars, scan_parcode": lambda: filtered(scan_parcode(ours, Player)),
        "Polars, scan_parquet": lambda: filtered(polars.scan_parquet(parquet)),
        "all columns to Arrow, warm": lambda: pa.table(rows).num_rows,
        "objects from Arrow": lambda: sum(1 for _ in from_arrow(table_of_arrow, Player)),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    busy: dict[str, list[float]] = {name: [] for name in steps}
    for name, step in steps.items():
        step()
        say(name)
    order = random.Random(1)
    for _ in range(ROUNDS):
        for name, step in order.sample(sorted(steps.items()), len(steps)):  # what went before counts: caches, memory
            before = time.process_time()
            times[name].append(clock(step))
            busy[name].append(time.process_time() - before)
    with Session.open(ours) as fresh:
        fresh.scalars(select(Player)).arrow(["guild", "level"]).read_all()
        read = fresh.stats.bytes_read
    session.close()
    own.close()
    return {
        "workload": "arrow",
        "rows": count,
        "times": {name: statistics.median(each) for name, each in times.items()},
        "busy": {name: statistics.median(each) for name, each in busy.items()},
        "read": read,
        "bytes": ours.stat().st_size,
        **machine(),
    }


def text(result: dict[str, Any]) -> str:
    times = result["times"]
    lines = [f"arrow: {result['rows']:,} players; medians of {ROUNDS} rounds", f"Python {result['python']}", ""]
    busy = result["busy"]
    lines += table(
        ["", "ms", "ms of all processors"],
        [[name, number(seconds * 1e3), number(busy[name] * 1e3)] for name, seconds in times.items()],
    )
    lines += ["", f"bytes read for two columns of five: {result['read']:,} of {result['bytes']:,}"]
    for ours, theirs in (
        ("DuckDB, our file, warm", "DuckDB, its own table"),
        ("Polars, scan_parcode", "Polars, scan_parquet"),
    ):
        lines.append(reached(f"{ours} / {theirs}", times[ours] / times[theirs], "<=", BOUND))
    return "\n".join(lines)

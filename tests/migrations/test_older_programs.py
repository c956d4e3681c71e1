"""Programs behind the migrations of a file: one whose class never wrote the file committed, and values were lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import DowngradeError, MigrationRequired, Session, func, load, select
from parcode_orm.migrations import diff_schema

from .project import Project

pytestmark = pytest.mark.once

FIRST = """
class Hero(Model):
    name: str
    level: int
class Realm(Model):
    title: str
    heroes: dict[str, Hero] = ShardedMap()
class Trade(Model):
    id: int = Key()
    price: int
"""
SECOND = FIRST.replace("    level: int\n", "    level: int\n    mana: int = 7\n")
THIRD = SECOND.replace("price: int", "price: int = Index()")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A file that the second version of the models made."""
    project = Project(tmp_path)
    project.define(FIRST)
    project.make()
    second = project.define(SECOND)
    project.make()
    heroes = {f"h{n}": second.Hero(name=f"h{n}", level=n, mana=n) for n in range(3_000)}
    project.store(second.Realm(title="r", heroes=heroes), *(second.Trade(id=n, price=n) for n in range(1_000)))
    project.migrate()
    return project


def test_a_class_that_never_wrote_the_file_is_known_by_the_migrations(project: Project) -> None:
    first: Any = project.define(FIRST)
    with Session(project.path) as session:
        session.root(first.Realm).heroes["h1"].level = 50
        with pytest.raises(DowngradeError, match=r"Realm lacks Hero.mana, .*\(0002_\w+ is the last\).*parcode migrate"):
            session.commit()
        session.rollback()
        session.get_one(first.Trade, 1).price = 7  # of this class it has all
        session.commit()
    with Session(project.path, downgrade=True) as session:
        session.root(first.Realm).heroes["new"] = first.Hero(name="new", level=1)
        session.commit()
        session.root(first.Realm).heroes["h1"].level = 50
        with pytest.raises(DowngradeError, match=r"^Hero\['h1'\] would be written again without Hero.mana"):
            session.commit()
    second = project.define(SECOND)
    assert load(project.path, second.Realm).heroes["h1"].mana == 1


def test_a_class_that_is_ahead_of_the_migrations_writes(project: Project) -> None:
    ahead = project.define(
        SECOND.replace("    name: str\n", "    called: Annotated[str, renamed_from('name')]\n    age: int = 1\n")
    )
    with Session(project.path) as session:
        session.root(ahead.Realm).heroes["h1"].age = 50
        session.commit()
    assert load(project.path, ahead.Realm).heroes["h1"].called == "h1"


def test_an_older_class_leaves_no_index_behind(project: Project) -> None:
    third = project.define(THIRD)
    project.make()
    project.migrate()
    second = project.define(SECOND)
    with Session(project.path, downgrade=True) as session:
        session.get_one(second.Trade, 5).price = 7_000
        with pytest.raises(DowngradeError, match=r"^the table of Trade .* without the index of Trade.price"):
            session.commit()
    with Session.open(project.path) as session:
        assert session.scalars(select(third.Trade.id).where(third.Trade.price == 5)).all() == [5]


def test_a_class_with_an_index_that_a_newer_one_dropped_reads_without_it(project: Project) -> None:
    third = project.define(THIRD)
    project.make()
    project.migrate()
    project.define(SECOND)
    project.make()
    project.migrate()
    third = project.define(THIRD)
    with Session.open(project.path) as session:
        dear = select(third.Trade.id).where(third.Trade.price == 5)
        assert session.scalars(dear).all() == [5] and session.scalar(select(func.max(third.Trade.price))) == 999
        assert "the file has no index of price: a migration builds it" in str(session.explain(dear))
    for downgrade, error in ((False, DowngradeError), (True, MigrationRequired)):
        with Session(project.path, downgrade=downgrade) as session:
            session.get_one(third.Trade, 5).price = 7_000
            with pytest.raises(error, match=r"not the newest|AddIndex\('Trade', 'price'\).* Trade can only be read"):
                session.commit()


def test_commits_before_an_index_are_read_and_compared(project: Project) -> None:
    third = project.define(THIRD)
    project.make()
    before = next(iter(Session.open(project.path).history())).sequence
    project.migrate()
    with Session(project.path) as session:
        session.get_one(third.Trade, 5).price = 7_000
        session.commit()
        assert [str(change) for change in session.diff(before, session.snapshot.sequence)] == [
            "~ Trade[5].price: 5 -> 7000"
        ]
    with Session.open(project.path, at=before) as session:
        assert session.scalars(select(third.Trade.id).where(third.Trade.price == 5)).all() == [5]
    [verdict] = [each for each in diff_schema(project.path, [third.Trade]) if each.name == "Trade"]
    assert verdict.verdict == "opens"

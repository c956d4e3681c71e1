"""What the catalog says about classes and migrations outlives commits, deletions and compactions."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from parcode_orm import Model, Session, compact, verify
from parcode_orm.codec.types.compile import fingerprint_of, struct_for
from parcode_orm.format.catalog import CatalogData
from parcode_orm.session.roots import root_name
from parcode_orm.storage.append import Appender
from parcode_orm.storage.mapped import Source


class Town(Model):
    n: int = 0


class Road(Model):
    length: float = 1.0


def written(path: Path) -> CatalogData:
    """The catalog of the newest commit."""
    with closing(Source.open(str(path))) as source:
        return source.catalog


def test_the_newest_writer_of_each_root(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    schemas = {root_name(cls): fingerprint_of(struct_for(cls)) for cls in (Town, Road)}
    with Session(path) as session:
        session.add(Town())
        session.commit()
        assert written(path).writers == {"Town": schemas["Town"]}
        session.add(Road())
        session.commit()
    assert written(path).writers == schemas
    for keep in (2, 1):
        compact(path, keep)
        assert written(path).writers == schemas
    with Session(path) as session:
        session.delete(session.root(Town))
        session.commit()
    assert written(path).writers == {"Road": schemas["Road"]}
    assert verify(path).ok


def test_renames_and_migrations_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(Town())
        session.commit()
    migrations = {"0002_b": "22", "0001_a": "11"}
    renames = [("Town", "m", "n"), ("", "City", "Town")]
    with closing(Source.open(str(path))) as source, Appender(str(path), source, workers=0) as appender:
        appender.commit(replace(source.catalog, renames=renames, migrations=migrations))
    with Session(path) as session:
        session.root(Town).n = 5
        session.commit()
    for keep in (2, 1):
        compact(path, keep)
        found = written(path)
        assert found.renames == renames and list(found.migrations.items()) == list(migrations.items())

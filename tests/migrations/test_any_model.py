"""Random classes are described, written and made again; their objects go through a migration as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given

from parcode_orm import Session, load, save
from parcode_orm.migrations.autodetector import changes
from parcode_orm.migrations.history import History
from parcode_orm.migrations.models import check_rendered, state_of
from parcode_orm.migrations.rows import Rows
from parcode_orm.migrations.state import ProjectState
from parcode_orm.migrations.writer import source_of
from tests.effort import half
from tests.strategies import objects, same


@half()
@given(obj=objects())
def test_an_object_of_any_class_is_converted(obj: Any, tmp_path_factory: Any) -> None:
    path: Path = tmp_path_factory.mktemp("any") / "a.par"
    cls = type(obj)
    met: dict[str, Any] = {}
    state = state_of([cls], met)
    before, after = History(state), History(state)
    name = next(name for name, each in met.items() if each is cls)
    check_rendered([cls], before.classes)
    assert changes(state, state_of([cls])) == []
    assert source_of([], changes(ProjectState(), state))
    save(path, obj)
    with Session.open(path) as session:
        rows = Rows(before, after, (), [state])
        assert name in rows.changed
        new = rows.convert(session.root(before.classes[name]))
        save(path.with_name("b.par"), new)
    assert same(load(path.with_name("b.par"), cls), obj)

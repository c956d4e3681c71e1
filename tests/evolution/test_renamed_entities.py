"""Statements over a class that was renamed without saying so: they find nothing, and warn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Key, Model, RenamedWarning, Session, renamed_from, select
from parcode_orm.session.renamed import warn_if_renamed

pytestmark = pytest.mark.once


def made(name: str, /, **fields: Any) -> Any:
    return type(Model)(name, (Model,), {"__annotations__": {"id": int, **fields}, "id": Key(), "__module__": __name__})


def test_a_statement_over_a_class_that_was_renamed_warns_once_a_session(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    old = made("Champion", name=str)
    with Session(path) as session:
        session.add(old(id=1, name="a"))
        session.commit()
    new = made("Paladin", name=str)
    with Session.open(path) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session.scalars(select(new)).all() == []  # the old class is there still
    old.__name__ = "NoLonger"
    with Session.open(path) as session:
        with pytest.warns(RenamedWarning, match=r"no entities of Paladin, and Champion has .*renamed_from") as caught:
            assert session.scalars(select(new)).all() == []
        assert [each.filename for each in caught] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert session.scalar(select(new)) is None
            assert session.scalars(select(made("Other", name=str, level=int))).all() == []
    said = renamed_from("Champion")(made("Paladin", name=str))
    with Session.open(path) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [each.name for each in session.scalars(select(said))] == ["a"]
        assert session._work.source is not None
        warn_if_renamed(session._work.source, made("Another", label=str))

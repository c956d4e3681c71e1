"""Fields of objects in memory, all at once and one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from parcode_orm import Key, Model, Ref, Session, select
from parcode_orm.query.columns.operators import dig, dig_all

pytestmark = pytest.mark.once


class Plain(BaseModel):
    model_config = ConfigDict(extra="allow")
    n: int | None = None
    tags: list[int] = []


class Town(Model):
    id: int = Key()
    name: str | None = None
    near: Ref[Town] | None = None


@pytest.mark.parametrize("path", [("n",), ("tags",), ("more",), ("near",), ("near", "key"), ("name",), ("missing",)])
def test_many_give_what_each_gives(path: tuple[str, ...]) -> None:
    plain: list[Any] = [Plain(n=1), Plain(), Plain(n=3, tags=[1], more=4)]
    towns: list[Any] = [Town(id=1, name="a", near=2), Town(id=2)]
    for values in (plain, towns, [*plain, *towns], [*plain, None], [{"n": 3}, *plain], [3, "x"], []):
        assert dig_all(values, path) == [dig(each, path) for each in values]


def test_lazy_objects_give_what_they_have_not_read(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session:
        session.add_all(Town(id=n, name=f"t{n}") for n in range(9))
        session.commit()
    with Session(tmp_path / "a.par") as session:
        towns: list[Any] = session.scalars(select(Town)).all()
        towns[3].name = None
        towns[4].name = "t1"
        assert dig_all(towns, ("name",)) == ["t0", "t1", "t2", None, "t1", *(f"t{n}" for n in range(5, 9))]
        assert session.scalars(select(Town.id).where(Town.name == "t1")).all() == [1, 4]
        assert session.scalars(select(Town.id).where(Town.name == None)).all() == [3]  # noqa: E711
        assert session.scalars(select(Town.id).where(Town.name != "t1")).all() == [0, 2, 3, 5, 6, 7, 8]

"""What a file is beside a program's models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import FileMissingError, MigrationError
from parcode_orm.migrations import Compared, diff_schema

from .project import Project

pytestmark = pytest.mark.once

OLD = """
class Bag(Model):
    size: int
class World(Model):
    name: str
    bags: list[Bag] = Chunk()
class Trade(Model):
    id: int = Key(auto=True)
    price: int
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    old = project.define(OLD)
    project.store(old.World(name="a", bags=[old.Bag(size=1)] * 3), old.Trade(price=3))
    return project


def compared(project: Project, text: str) -> list[Compared]:
    module = project.define(text)
    classes = [each for each in vars(module).values() if getattr(each, "__module__", "") == "shop"]
    return diff_schema(project.path, classes)


@pytest.mark.parametrize(
    ("old", "new", "trade", "world", "detail"),
    [
        ("", "", "opens", "opens", ""),
        ("price: int\n", "price: int\n    note: str = ''\n", "upgrades", "opens", "Trade.note: this field is new"),
        ("price: int\n", "price: int\n    note: str\n", "breaks", "opens", "AddField('Trade', 'note', ...)"),
        ("price: int\n", "price: int = Index()\n", "breaks", "opens", "AddIndex('Trade', 'price')"),
        ("size: int\n", "size: float\n", "opens", "upgrades", "Bag.size: int became float"),
        ("size: int\n", "size: int\n    colour: str\n", "opens", "breaks", "AddField('Bag', 'colour', ...)"),
        ("id: int = Key(auto=True)", "id: int", "breaks", "opens", "the class has no Key() now"),
        ("Trade", "Deal", "unknown", "opens", "no class has this name"),
    ],
)  # fmt: skip
def test_what_a_file_is_beside_the_models(
    project: Project, old: str, new: str, trade: str, world: str, detail: str
) -> None:
    found = compared(project, OLD.replace(old, new))
    assert [(each.name, each.entities, each.verdict) for each in found] == [
        ("Trade", True, trade), ("World", False, world)
    ]  # fmt: skip
    said: Any = "".join(text for each in found for text in each.details)
    assert detail in said and bool(said) == bool(detail)


def test_classes_that_were_renamed_are_found(project: Project) -> None:
    text = "from parcode_orm import renamed_from\n" + OLD.replace("class Trade", "@renamed_from('Trade')\nclass Deal")
    assert compared(project, text)[0].verdict == "upgrades"


def test_what_cannot_be_compared(project: Project) -> None:
    module = project.define(OLD)
    other = type("World", (module.Model,), {"__module__": "shop", "__annotations__": {"b": int}})
    with pytest.raises(MigrationError, match="two classes have the name World"):
        diff_schema(project.path, [module.World, other])
    with pytest.raises(FileMissingError):
        diff_schema(project.path.with_name("no"), [])

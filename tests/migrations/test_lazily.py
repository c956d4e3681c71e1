"""Migrations that write nothing but the catalog, where rows can be read as they are; and those that must write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import DowngradeError, MigrationRequired, Session, load, select, verify
from parcode_orm.migrations.lazily import names_in_keys
from parcode_orm.migrations.types import Named

from .project import Project

pytestmark = pytest.mark.once

OLD = """
class Player(Model):
    level: int
    name: str
    gold: int = 0
class World(Model):
    title: str
    players: dict[str, Player] = ShardedMap()
class Trade(Model):
    id: int = Key(auto=True)
    buyer: str = Index()
    price: int
"""
NEW = """
class Player(Model):
    mana: float = 1.5
    rank: int
    name: str
class World(Model):
    title: str | None
    players: dict[str, Player] = ShardedMap()
class Trade(Model):
    id: int = Key(auto=True)
    buyer: str = Index()
    price: int
    note: list[str] = Chunk(default_factory=list)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    old = project.define(OLD)
    project.make()
    players = {f"p{n}": old.Player(level=n, name=f"n{n}", gold=n) for n in range(5_000)}
    project.store(old.World(title="w", players=players), *(old.Trade(buyer=f"b{n % 9}", price=n) for n in range(5_000)))
    project.migrate()
    return project


def root_places(project: Project) -> Any:
    with Session.open(project.path) as session:
        assert session._work.source is not None
        return session._work.source.catalog.roots


def check(project: Project, new: Any) -> None:
    with Session.open(project.path) as session:
        world = session.root(new.World)
        assert world.title == "w" and world.players["p7"].model_dump() == {"mana": 1.5, "rank": 7, "name": "n7"}
        trade = session.get_one(new.Trade, 7)
        assert trade.price == 6 and trade.note == []
        found = select(new.Trade).where(new.Trade.buyer == "b3")
        assert len(session.scalars(found).all()) == 556
    assert verify(project.path).ok


def test_nothing_but_the_catalog_is_written(project: Project) -> None:
    before, size = root_places(project), project.path.stat().st_size
    new = project.define(NEW)
    project.make(renames={"Player.level": "rank"})
    project.migrate()
    assert root_places(project) == before and project.path.stat().st_size - size < 64 * 1024
    check(project, new)
    with Session(project.path) as session:  # what is written has the new shape, beside what has the old one
        session.root(new.World).players["p8"].rank = 99
        session.get_one(new.Trade, 8).note.append("sold")
        session.commit()
    with Session.open(project.path) as session:
        assert session.root(new.World).players["p8"].rank == 99 and session.get_one(new.Trade, 8).note == ["sold"]
    check(project, new)


def test_rows_are_written_anew_if_that_is_asked_for(project: Project) -> None:
    before = root_places(project)
    new = project.define(NEW)
    project.make(renames={"Player.level": "rank"})
    project.migrate(rewrite=True)
    assert root_places(project).keys() == before.keys() and not set(root_places(project).values()) & set(
        before.values()
    )
    check(project, new)


def test_a_lazy_migration_is_undone(project: Project) -> None:
    new = project.define(NEW)
    project.make(renames={"Player.level": "rank"})
    project.migrate()
    with Session(project.path) as session:
        session.root(new.World).players["p8"].rank = 99
        session.commit()
    project.migrate("0001")
    old = project.define(OLD)
    with Session(project.path) as session:
        players = session.root(old.World).players
        assert players["p7"].model_dump() == {"level": 7, "name": "n7", "gold": 0}  # what is removed is gone
        assert players["p8"].level == 99
        players["p7"].level = 70
        session.commit()
    assert load(project.path, old.World).players["p7"].level == 70


def test_an_older_program_reads_only(project: Project) -> None:
    old = project.define(OLD)
    project.define(NEW)
    project.make(renames={"Player.level": "rank"})
    project.migrate()
    with Session(project.path) as session:
        session.root(old.World).title = "changed"
        with pytest.raises(DowngradeError):
            session.commit()


def made(project: Project, text: str, **options: Any) -> Any:
    """The models after a migration to them, and whether it left the roots where they were."""
    before = root_places(project)
    module = project.define(text)
    project.make(**options)
    project.migrate()
    return module, root_places(project) == before


HEAD = "from uuid import UUID, uuid4\n"
B = "class B(BaseModel):\n    k: int\n"
A = "class A(Model):\n    n: int\n"


@pytest.mark.parametrize(
    ("old", "new", "lazy"),
    [
        (A, A + "    k: int = 3\n", True),
        (A, A + "    k: UUID = Field(default_factory=uuid4)\n", False),  # another value each time
        (A, A + "    k: int | None\n", False),  # the class has no default
        (A, "class A(Model):\n    n: int | None\n", True),
        (A, "class A(Model):\n    n: float\n", False),
        ("class A(Model):\n    n: list[int]\n", "class A(Model):\n    n: list[int] = Chunk()\n", True),
        (B + "class A(Model):\n    b: B", B.replace("BaseModel", "Model") + "class A(Model):\n    b: B", True),
    ],
)  # fmt: skip
def test_which_changes_are_lazy(old: str, new: str, lazy: bool, tmp_path: Path) -> None:
    project = Project(tmp_path)
    module = project.define(HEAD + old)
    project.make()
    value = {"n": [1] if "list" in old else 1} if "n:" in old else {"b": {"k": 1}}
    project.store(module.A.model_validate(value))
    project.migrate()
    module, kept = made(project, HEAD + new)
    assert kept is lazy
    assert load(project.path, module.A).model_dump().items() >= value.items()


def test_a_name_that_is_used_again_means_another_field(tmp_path: Path) -> None:
    """Rows that were not written since still have the value of the first field."""
    project = Project(tmp_path)
    texts = [A + "    k: int = 1\n", A, A + "    k: int = 5\n"]
    old = project.define(texts[0])
    project.make()
    project.store(old.A(n=1, k=2))
    project.migrate()
    assert made(project, texts[1])[1]
    new, kept = made(project, texts[2])
    assert not kept and load(project.path, new.A).k == 5


def test_a_name_that_a_field_had_before_is_not_read_as_another(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define(A + "    k: int = 1\n")
    project.make()
    project.store(old.A(n=1, k=2))
    project.migrate()
    assert made(project, A)[1]
    new, kept = made(project, "class A(Model):\n    k: int\n", renames={"A.n": "k"})
    assert not kept and load(project.path, new.A).k == 1


def test_a_field_of_a_base_is_renamed_in_the_classes_below(tmp_path: Path) -> None:
    project = Project(tmp_path)
    text = """
class Base(Model):
    n: int = 0
class Derived(Base):
    k: int = 0
class World(Model):
    one: Base
    many: list[Base] = Chunk()
"""
    old = project.define(text)
    project.make()
    project.store(old.World(one=old.Derived(n=5), many=[old.Derived(n=n) for n in range(600)]))
    project.migrate()
    new, kept = made(project, text.replace("n: int", "m: int"), renames={"Base.n": "m"})
    world = load(project.path, new.World)
    assert kept and world.one == new.Derived(m=5) and [each.m for each in world.many] == list(range(600))


def test_keys_are_written_anew(tmp_path: Path) -> None:
    project = Project(tmp_path)
    text = """
class Place(BaseModel):
    model_config = ConfigDict(frozen=True)
    x: int
class World(Model):
    by: dict[Place, int] = ShardedMap()
"""
    old = project.define(text)
    project.make()
    project.store(old.World(by={old.Place(x=n): n for n in range(2_000)}))
    project.migrate()
    new, kept = made(project, text.replace("x: int\n", "x: int\n    y: int = 3\n"))
    assert not kept
    with Session.open(project.path) as session:
        assert session.root(new.World).by[new.Place(x=7)] == 7
    place = Named("Place")
    assert set(names_in_keys(list[dict[place, set[place]] | None])) == {"Place"}  # type: ignore[valid-type]
    assert set(names_in_keys(dict[str, list[place]])) == set()  # type: ignore[valid-type]


def test_the_fields_of_a_key_in_another_order_store_entities_anew(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define("class Flight(Model):\n    carrier: str = Key()\n    number: str = Key()\n    seats: int\n")
    project.make()
    project.store(*(old.Flight(carrier=f"c{n % 9}", number=f"n{n}", seats=n) for n in range(500)))
    project.migrate()
    new = project.define("class Flight(Model):\n    seats: int\n    number: str = Key()\n    carrier: str = Key()\n")
    with Session(project.path) as session, pytest.raises(MigrationRequired, match="and is of number, carrier now"):
        session.get(new.Flight, ("n3", "c3"))
    project.make()
    project.migrate()
    with Session(project.path) as session:
        assert session.get_one(new.Flight, ("n12", "c3")).seats == 12 and session.get(new.Flight, ("c3", "n12")) is None
    assert verify(project.path, models=[new.Flight]).ok
    project.migrate("0001_initial")
    with Session.open(project.path) as session:
        assert session.get_one(old.Flight, ("c3", "n12")).seats == 12
    assert verify(project.path, models=[old.Flight]).ok


def test_objects_that_are_numbered_from_now_on_are_counted(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define("class Ticket(Model):\n    id: int = Key()\n    seats: int = 0\n")
    project.make()
    project.store(*(old.Ticket(id=n) for n in range(1, 300)))
    project.migrate()
    new = project.define("class Ticket(Model):\n    id: int = Key(auto=True)\n    seats: int = 0\n")
    with (
        Session(project.path) as session,
        pytest.raises(MigrationRequired, match=r"Ticket\.id is numbered by the file"),
    ):
        session.get(new.Ticket, 3)
    project.make()
    project.migrate()
    with Session(project.path) as session:
        session.add(ticket := new.Ticket())
        session.commit()
        assert ticket.id == 300 and session.get_one(new.Ticket, 299).seats == 0

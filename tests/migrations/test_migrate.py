"""Migrations that change a file: forwards, backwards, one commit each, and what they leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import ConflictError, IntegrityError, MigrationError, Session, load, select, verify
from parcode_orm.migrations import Named, showmigrations

from .project import Project

pytestmark = pytest.mark.once

BEFORE = """
class Role(str, Enum):
    MAGE = "mage"
    THIEF = "thief"
class Bag(BaseModel):
    size: int = 3
class Player(Model):
    level: int
    role: Role = Role.MAGE
    bag: Bag = Bag()
    inventory: list[int] = Chunk()
class World(Model):
    name: str
    players: dict[str, Player] = ShardedMap()
class Trade(Model):
    id: int = Key(auto=True)
    buyer: str = Index()
    price: int
class Untouched(Model):
    words: list[str] = Chunk()
"""
AFTER = """
class Role(str, Enum):
    MAGE = "mage"
    THIEF = "thief"
    BARD = "bard"
class Bag(BaseModel):
    size: int = 3
    colour: str = "red"
class Hero(Model):
    rank: int
    role: Role = Role.MAGE
    mana: float = 1.5
    bag: Bag = Bag()
    inventory: list[float] = Chunk()
class World(Model):
    title: str
    players: dict[str, Hero] = ShardedMap()
class Trade(Model):
    id: int = Key(auto=True)
    buyer: str
    price: float = Index()
    note: str | None
class Untouched(Model):
    words: list[str] = Chunk()
"""
RENAMES = {"Player": "Hero", "Hero.level": "rank", "World.name": "title"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two migrations, and a file as the first leaves it."""
    project = Project(tmp_path)
    old = project.define(BEFORE)
    project.make()
    players = {f"p{n}": old.Player(level=n, inventory=list(range(n % 5)), role=old.Role.THIEF) for n in range(3_000)}
    trades = [old.Trade(buyer=f"b{n % 7}", price=n) for n in range(5_000)]
    project.store(old.World(name="w", players=players), old.Untouched(words=["a"] * 3_000), *trades)
    with Session(project.path) as session:
        session.delete(session.get_one(old.Trade, 5_000))
        session.commit()
    project.migrate()
    return project


def test_a_file_goes_forwards_and_back(project: Project) -> None:
    new = project.define(AFTER)
    project.make(renames=RENAMES)
    seen: list[tuple[str, int, int]] = []
    (step,) = project.migrate(progress=lambda *what: seen.append(what))
    assert step.operations[:2] == ("Rename model Player to Hero", "Change members of Role")
    assert ("World.players", 3_000, 3_000) in seen and ("Trade", 4_999, 4_999) in seen
    with Session(project.path) as session:
        world = session.root(new.World)
        hero = world.players["p4"]
        assert world.title == "w" and len(world.players) == 3_000 and list(world.players)[:2] == ["p0", "p1"]
        assert hero.model_dump() == {
            "rank": 4, "role": new.Role.THIEF, "mana": 1.5, "bag": {"size": 3, "colour": "red"},
            "inventory": [0.0, 1.0, 2.0, 3.0],
        }  # fmt: skip
        assert all(type(each) is float for each in hero.inventory)
        assert hero.model_fields_set == {"rank", "role", "inventory"}  # not what the migration added
        found = session.scalars(select(new.Trade).where(new.Trade.price == 70)).all()
        assert [(each.id, each.buyer, each.note) for each in found] == [(71, "b0", None)]
        assert "by the index of price" in str(session.explain(select(new.Trade).where(new.Trade.price == 7)))
        session.add(trade := new.Trade(buyer="x", price=1, note=None))
        assert trade.id == 5_001  # the number of a deleted entity is not used again
    assert verify(project.path).ok

    project.migrate("0001")
    old = project.define(BEFORE)
    with Session(project.path) as session:
        player = session.root(old.World).players["p4"]
        assert player.inventory == [0, 1, 2, 3] and all(type(each) is int for each in player.inventory)
        assert session.get(old.Trade, 7).price == 6 and type(session.get(old.Trade, 7).price) is int
        assert [each.message[:12] for each in session.history()][:3] == ["undo 0002_re", "migrate 0002", "migrations a"]
    assert verify(project.path).ok


def test_what_did_not_change_stays_where_it_is(project: Project) -> None:
    with Session.open(project.path) as session:
        before = session._work.source.catalog.roots["Untouched"]  # type: ignore[union-attr]
    project.define(AFTER)
    project.make(renames=RENAMES)
    project.migrate()
    with Session.open(project.path) as session:
        assert session._work.source.catalog.roots["Untouched"] == before  # type: ignore[union-attr]


def test_a_plan_and_a_fake_write_no_rows(project: Project) -> None:
    project.define(AFTER)
    project.make(renames=RENAMES)
    before = project.path.read_bytes()
    (step,) = project.migrate(plan=True)
    assert step.name.startswith("0002") and not step.backwards and project.path.read_bytes() == before
    assert showmigrations(project.path, migrations=project.migrations) == {"0001_initial": True, step.name: False}
    project.migrate(fake=True)
    assert showmigrations(project.path, migrations=project.migrations)[step.name]
    with Session.open(project.path) as session:
        assert session.root(project.define(BEFORE).World).name == "w"
    assert project.migrate() == []


def test_a_migration_reads_what_others_do_not_change(project: Project) -> None:
    """A session that stood on the file before conflicts, and reads on."""
    old = project.define(BEFORE)
    with Session(project.path) as session:
        session.root(old.World).name = "changed"
        project.define(AFTER)
        project.make(renames=RENAMES)
        project.migrate()
        with pytest.raises(ConflictError):
            session.commit()
        assert session.get(old.Trade, 7).price == 6


def test_rows_change_by_code_of_the_project(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define("""
class Author(BaseModel):
    name: str
class Book(Model):
    id: int = Key()
    title: str
    author: Author
    tags: list[str] = Chunk()
""")
    project.make()
    project.store(*(old.Book(id=n, title=f"t{n}", author=old.Author(name="a b"), tags=["x"] * n) for n in range(300)))
    project.write(
        "0002_split",
        """
def forward(row):
    first, _, last = row["name"].partition(" ")
    return {"first": first, "last": last}
def backward(row):
    return {"name": f"{row['first']} {row['last']}"}
def count(row):
    return {**row, "title": f"{row['title']} {len(row['tags'])} {row['author'].last}"}
def uncount(row):
    return {**row, "title": row["title"].partition(" ")[0]}
dependencies = ["0001_initial"]
operations = [
    AddField("Author", "first", Field(str, default="")),
    AddField("Author", "last", Field(str, default="")),
    RunPython(forward, backward, "Author"),
    RemoveField("Author", "name", default=""),
    RunPython(count, uncount, model="Book"),
]
""",
    )
    project.migrate()
    new = project.define("""
class Author(BaseModel):
    first: str
    last: str
class Book(Model):
    id: int = Key()
    title: str
    author: Author
    tags: list[str] = Chunk()
""")
    assert project.make() is None
    with Session.open(project.path) as session:
        book = session.get_one(new.Book, 299)
        assert book.model_dump() == {
            "id": 299, "title": "t299 299 b", "author": {"first": "a", "last": "b"}, "tags": ["x"] * 299
        }  # fmt: skip
    project.migrate("zero")
    assert showmigrations(project.path, migrations=project.migrations) == {"0001_initial": False, "0002_split": False}


def test_a_class_goes_with_the_field_that_holds_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define("""
class Role(Enum):
    MAGE = 1
class Bag(BaseModel):
    size: int = 3
class A(Model):
    n: int
    role: Role = Role.MAGE
    bags: list[Bag] = Chunk()
""")
    project.make()
    project.store(old.A(n=1, bags=[old.Bag(size=7)] * 300))
    project.migrate()
    project.write(
        "0002_sizes",
        """
def forward(bags):
    return [bag.size for bag in bags]
def backward(sizes):
    return []
dependencies = ["0001_initial"]
operations = [
    RemoveField("A", "role"),
    AlterField("A", "bags", Field(list[int]), forward, backward),
    DeleteModel("Role"),
    DeleteModel("Bag"),
]
""",
    )
    project.migrate()
    new = project.define("class A(Model):\n    n: int\n    bags: list[int]\n")
    assert project.make() is None
    with Session.open(project.path) as session:
        assert session.root(new.A).bags == [7] * 300
    project.migrate("0001")
    with Session.open(project.path) as session:
        found = session.root(old.A)
        assert found.role is old.Role.MAGE and list(found.bags) == []


def test_undoing_the_first_migration_empties_the_file(project: Project) -> None:
    project.migrate("zero")
    with Session.open(project.path) as session:
        assert session.roots() == [] and session.entities() == []


def test_a_value_that_occurs_twice_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define("class A(Model):\n    id: int = Key()\n    n: int\n")
    project.make()
    project.store(old.A(id=1, n=1), old.A(id=2, n=1))
    project.migrate()
    before = project.path.read_bytes()
    project.define("class A(Model):\n    id: int = Key()\n    n: int = Index(unique=True)\n")
    assert project.make().operations == ("Add a unique index of A.n",)  # type: ignore[union-attr]
    with pytest.raises(IntegrityError, match=r"A.n: 1 is the value of two objects, id=1 and id=2"):
        project.migrate()
    assert project.path.read_bytes() == before


def test_indexes_of_several_fields_follow_their_fields(tmp_path: Path) -> None:
    project = Project(tmp_path)
    text = """
class City(BaseModel):
    name: str
class Seller(Model):
    id: int = Key()
    {}: str
    rating: int
    city: City
    __indexes__ = (Index("{}", "rating"), Index("city.name"))
"""
    old = project.define(text.format("land", "land"))
    project.make()
    project.store(*(old.Seller(id=n, land=f"l{n % 9}", rating=n, city=old.City(name=f"c{n}")) for n in range(5_000)))
    project.migrate()
    new = project.define(text.format("country", "country"))
    made = project.make(renames={"Seller.land": "country"})
    assert made is not None and made.operations == ("Rename field land of Seller to country",)
    project.migrate()
    with Session.open(project.path) as session:
        for found in (
            select(new.Seller).where(new.Seller.country == "l4", new.Seller.rating > 4_990),
            select(new.Seller).where(new.Seller.city.name == "c4990"),
        ):
            assert "by the index of" in str(session.explain(found))
            assert [each.id for each in session.scalars(found)] in ([4_999], [4_990])


CHANGES: dict[str, tuple[str, Any, str, Any]] = {
    "int to float": ("int", 3, "float", 3.0),
    "list to tuple": ("list[int]", [1, 2], "tuple[int, ...]", (1, 2)),
    "list to set": ("list[int]", [2, 1], "set[int]", {1, 2}),
    "text to a number": ("str", "12", "int", 12),
    "to optional": ("int", 3, "int | None", 3),
    "from optional": ("int | None", 3, "int", 3),
    "integral floats": ("float", 3.0, "int", 3),
}
REFUSED: dict[str, tuple[str, Any, str, str]] = {
    "a number as a moment": ("int", 5, "datetime", "take a number for a moment"),
    "numbers as moments": ("list[int]", [5], "list[datetime]", "take a number for a moment"),
    "equal items": ("list[int]", [1, 1], "set[int]", "lose equal items"),
    "a fraction": ("float", 1.5, "int", "cannot be stored as int"),
    "None": ("int | None", None, "int", "None cannot be stored as int"),
    "a text": ("str", "twelve", "int", "'twelve' cannot be stored as int"),
}


def changing(project: Project, old: str, value: Any, new: str) -> None:
    text = "from datetime import datetime\nclass A(Model):\n    x: {}\n"
    project.store(project.define(text.format(old)).A(x=value))
    project.make()
    project.migrate()
    project.define(text.format(new))
    assert project.make().operations == ("Alter field x of A",)  # type: ignore[union-attr]


@pytest.mark.parametrize("what", CHANGES)
def test_values_of_another_type(what: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    old, value, new, expected = CHANGES[what]
    changing(project, old, value, new)
    project.migrate()
    found = load(project.path, project.define(f"class A(Model):\n    x: {new}\n").A).x
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("what", REFUSED)
def test_values_that_would_be_guessed_or_lost(what: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    old, value, new, message = REFUSED[what]
    changing(project, old, value, new)
    before = project.path.read_bytes()
    with pytest.raises(MigrationError, match=rf"0002_alter_a_x: A\.x: .*{message}"):
        project.migrate()
    assert project.path.read_bytes() == before


def test_everything_that_an_object_has_comes_along(tmp_path: Path) -> None:
    """Extra values, private attributes, subclasses, dataclasses, named tuples, flags and keys that are models."""
    project = Project(tmp_path)
    text = """
class Access(Flag):
    READ = 1
    WRITE = 2
@dataclass(frozen=True)
class Place:
    x: int
    access: Access = Access.READ
class Pair(NamedTuple):
    left: Place
    right: int = 0
class Base(Model):
    model_config = ConfigDict(extra="allow")
    n: int = 0
    _seen: int = PrivateAttr(0)
class Derived(Base):
    pairs: list[Pair] = []
class World(Model):
    {extra}
    base: Base
    many: dict[Place, Base] = ShardedMap()
    inner: World | None = None
"""
    old = project.define(text.format(extra=""))
    project.make()
    derived = old.Derived(n=1, more="x", pairs=[old.Pair(old.Place(1, old.Access(3)))])
    derived._seen = 7
    base = old.Base(n=2)
    project.store(old.World(base=derived, many={old.Place(5): base}, inner=old.World(base=base, many={})))
    project.migrate()
    new = project.define(text.format(extra="first: int = 9").replace("x: int\n", "x: int\n    y: int = 4\n"))
    made = project.make()
    assert made is not None and made.operations == ("Add field y to Place", "Add field first to World")
    project.migrate()
    world = load(project.path, new.World)
    assert type(world.base) is new.Derived and world.base.model_extra == {"more": "x"} and world.base._seen == 7
    assert world.base.pairs == [new.Pair(new.Place(1, access=new.Access(3), y=4))]
    assert world.many == {new.Place(5, y=4): new.Base(n=2)} and world.first == world.inner.first == 9


def test_a_name_means_one_class() -> None:
    assert Named("Player") is Named("Player")
    assert str(dict[str, Named("Player")]) == "dict[str, parcode_orm.migrations.types.Player]"  # type: ignore[misc]

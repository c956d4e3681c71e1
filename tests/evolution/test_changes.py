"""What opens by itself, at any depth; what an old row says beside its fields; renames; entities."""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, create_model
from typing_extensions import TypedDict

import parcode_orm
from parcode_orm import (
    Chunk,
    Field,
    Index,
    Key,
    MigrationRequired,
    Model,
    SchemaMismatchError,
    Session,
    ShardedMap,
    compact,
    delete,
    renamed_from,
    select,
    update,
    verify,
)
from tests.equality import same

from .versions import model


def through(obj: Any, cls: Any) -> Any:
    """`obj` stored, and read as another class."""
    data = parcode_orm.dumps(obj)
    with Session.open(data) as session:
        lazy = session.root(cls).model_load()
    plain = parcode_orm.loads(data, cls)
    assert same(lazy, plain) and verify(data).ok
    return plain


class Hue(enum.Enum):
    RED = 1
    BLUE = 2


AUTOMATIC: list[tuple[Any, Any, Any, Any]] = [
    (int, int | None, 5, 5),
    (int, float, 5, 5.0),
    (int, int | str, 5, 5),
    (int, float | str, 5, 5.0),
    (int | str, int | str | bytes, "a", "a"),
    (int | str, str | int | float, 5, 5),
    (bool, bool | None, True, True),
    (list[int], tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, ...], list[int], (1, 2), [1, 2]),
    (tuple[int, int], list[int], (1, 2), [1, 2]),
    (set[int], list[int], {1}, [1]),
    (list[int], set[int], [1, 2], {1, 2}),
    (frozenset[str], set[str], frozenset("a"), {"a"}),
    (list[int], list[float | None], [1, 2], [1.0, 2.0]),
    (dict[str, int], dict[str, float], {"a": 1}, {"a": 1.0}),
    (dict[int, int], dict[float, int], {1: 1}, {1.0: 1}),
    (list[dict[str, int]], list[dict[str, float]], [{"a": 1}], [{"a": 1.0}]),
    (Literal["a"], Literal["a", "b"], "a", "a"),
    (Literal["a"], str, "a", "a"),
    (str, Literal["a", "b"], "a", "a"),
    (str, Hue | None, None, None),
    (str, int, "5", 5),
    (float, int, 5.0, 5),
    (int, Hue, 2, Hue.BLUE),
    (int | None, int, 5, 5),
]


@pytest.mark.parametrize(("old", "new", "value", "found"), AUTOMATIC)
def test_what_opens_by_itself(old: Any, new: Any, value: Any, found: Any) -> None:
    if value is None:
        old = old | None
    for wrap, put in (
        (lambda tp: tp, lambda v: v),
        (lambda tp: list[tp], lambda v: [v, v]),
        (lambda tp: dict[str, list[tp]], lambda v: {"k": [v]}),
        (lambda tp: tuple[tp, str], lambda v: (v, "s")),
        (lambda tp: tp | None, lambda v: v),
    ):
        for marker in (None, Chunk):
            values = {} if marker is None else {"v": marker()}
            before, after = (model("Root", {"v": wrap(tp)}, **values) for tp in (old, new))
            assert same(through(before(v=put(value)), after).v, put(found))


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        (int | None, int, None),
        (str, int, "five"),
        (float, int, 0.5),
        (int, float, 2**53 + 1),
        (list[int], set[int], [1, 1]),
        (Literal["a", "b"], Literal["a"], "b"),
        (int, Hue, 3),
        (int, str, 3),
        (dict[float, int], dict[int, int], {0.5: 1}),
    ],
)
def test_a_value_that_does_not_fit(tmp_path: Path, old: Any, new: Any, value: Any) -> None:
    """Other fields are read, and assigning mends it."""
    path = tmp_path / "a.par"
    before, after = (model("Root", {"n": int, "v": tp}, n=0) for tp in (old, new))
    parcode_orm.save(path, before(v=value))
    with Session(path) as session:
        root = session.root(after)
        assert root.n == 0
        for _ in range(2):
            with pytest.raises(SchemaMismatchError, match=r"Root\.v: .*a\.par.* AlterField\('Root', 'v', ...\)"):
                _ = root.v
        good: Any = {int: 5, float: 0.5, set[int]: {1}, Literal["a"]: "a", Hue: Hue.RED, str: "s"}.get(new, {1: 1})
        root.v = good
        session.commit()
    assert parcode_orm.load(path, after).v == good


# -- nested classes ----------------------------------------------------------------------------------------------------


def test_nested_classes_at_any_depth() -> None:
    def versions(leaf: Any) -> Any:
        twig = create_model("Twig", leaf=(leaf, ...), leaves=(list[leaf], []))
        branch = create_model("Branch", __base__=Model, twigs=(dict[str, twig], ...), main=(twig | None, None))
        return model("Tree", {"branches": list[branch], "top": branch}, branches=Chunk(default=[]))

    old_leaf = create_model("Leaf", n=(int, ...), gone=(str, "x"))
    new_leaf = create_model("Leaf", extra=(str, "new"), n=(float, ...))
    old, new = versions(old_leaf), versions(new_leaf)
    twig = {"leaf": {"n": 1}, "leaves": [{"n": 2}]}
    branch = {"twigs": {"a": twig}, "main": twig}
    tree = through(old.model_validate({"branches": [branch], "top": branch}), new)
    assert tree == new.model_validate({"branches": [branch], "top": branch})
    leaf = tree.branches[0].twigs["a"].leaves[0]
    assert type(leaf) is new_leaf and type(leaf.n) is float and leaf.model_fields_set == {"n"}


class Node(Model):
    n: int = 0
    below: list[Node] = Chunk(default=[])


def test_a_class_that_holds_itself() -> None:
    old = Node(n=1, below=[Node(n=2, below=[Node(n=3)])])
    data = parcode_orm.dumps(old)
    body = {"__annotations__": {"n": "float", "tag": "str", "below": "list[Node]"}, "tag": "t", "n": 0.0}
    body |= {"below": Chunk(default=[]), "__module__": __name__, "__qualname__": "Node"}
    new = type(Model)("Node", (Model,), body)
    new.model_rebuild(_types_namespace={"Node": new})
    found = parcode_orm.loads(data, new)
    assert found.below[0].below[0].n == 3.0 and found.below[0].tag == "t"
    with Session.open(data) as session:
        assert session.root(new).below[0].below[0].n == 3.0


@dataclasses.dataclass
class Box:
    size: int
    label: str = "box"


class Pair(NamedTuple):
    x: int
    y: int


class Card(TypedDict):
    title: str
    year: int


class Plain(BaseModel):
    a: int
    b: str = "b"


def test_dataclasses_and_others() -> None:
    more = ("more", list, dataclasses.field(default_factory=list))
    box = dataclasses.make_dataclass("Box", [("size", float), more])
    pair: Any = NamedTuple("Pair", [("y", int), ("x", float)])
    card = TypedDict("Card", {"title": str, "author": NotRequired[str]})  # noqa: UP013
    plain = model("Plain", {"b": str, "a": float})
    fields = {"box": Box, "pair": Pair, "card": Card, "plain": Plain, "plains": list[Plain]}
    old = model("Root", fields, plains=Chunk())
    new = model("Root", {"box": box, "pair": pair, "card": card, "plain": plain, "plains": list[plain]}, plains=Chunk())
    obj = old(box=Box(1), pair=Pair(1, 2), card={"title": "t", "year": 5}, plain=Plain(a=1), plains=[Plain(a=2)])
    found = through(obj, new)
    assert found.box == box(size=1.0, more=[]) and found.pair == pair(y=2, x=1.0) and type(found.pair.x) is float
    assert found.card == {"title": "t"}
    assert found.plain == plain(a=1.0, b="b") and type(found.plains[0]) is plain
    with Session.open(parcode_orm.dumps(obj)) as session:
        assert session.root(new).plain.a == 1.0
    required = TypedDict("Card", {"title": str, "author": str})  # noqa: UP013
    with pytest.raises(MigrationRequired, match=r"Card\.author: older rows .* AddField.* apply it: parcode migrate"):
        through(obj, model("Root", {"card": required}))
    with pytest.raises(MigrationRequired, match="dataclass became a base model"):
        through(obj, model("Root", {"box": create_model("Box", size=(int, 0))}))
    with pytest.raises(MigrationRequired, match=r"Box is another class.*renamed_from\('Box'\)"):
        through(obj, model("Root", {"box": create_model("Crate", size=(int, 0))}))


class Wide(BaseModel):
    """Of so many columns that a few are stored as rows."""

    model_config = ConfigDict(extra="allow")
    a: int = 0
    many: dict[str, int | str | list[float] | None] = {}
    inner: Wide | None = None
    items: list[Plain] = []


def test_rows_of_wide_classes() -> None:
    plain = create_model("Plain", c=(str, "c"), a=(float, ...))
    body: dict[str, Any] = {f"f{n}": (int | None, None) for n in range(30)}
    old_wide = create_model("Wide", a=(int, 0), items=(list[Plain], []), gone=(str, "g"), **body)
    new_wide = create_model("Wide", items=(list[plain], []), b=(int, 3), a=(float, 0), **body)
    old, new = model("Root", {"wide": old_wide}), model("Root", {"wide": new_wide})
    found = through(old(wide=old_wide(a=1, f3=4, items=[Plain(a=5)])), new)
    assert found.wide == new_wide(a=1.0, f3=4, items=[plain(a=5.0)])
    assert found.wide.model_fields_set == {"a", "f3", "items"} and found.wide.b == 3


# -- beside the fields -------------------------------------------------------------------------------------------------


def test_fields_set_extras_and_removed_fields() -> None:
    loose = {"model_config": ConfigDict(extra="allow")}
    old = model("Root", {"a": int, "b": int, "gone": list[int]}, a=1, b=2, gone=[1], **loose)
    new = model("Root", {"b": int, "late": float, "new": int}, b=2, late=0.5, new=7, **loose)
    found = through(old(a=5, late="1.5", other=8), new)
    assert (found.b, found.late, found.new) == (2, 1.5, 7)
    assert found.model_extra == {"other": 8, "a": 5, "gone": [1]}
    assert found.model_fields_set == {"a", "late", "other"}
    strict = model("Root", {"b": int}, b=2)
    assert through(old(a=5, other=8), strict).model_extra is None
    with pytest.raises(SchemaMismatchError, match=r"Root\.late: 'much'"):
        through(old(late="much"), new)


def test_private_attributes() -> None:
    def with_privates(types: dict[str, Any], **defaults: Any) -> Any:
        body = {name: PrivateAttr(value) for name, value in defaults.items()}
        return model("Root", {"n": int, **types}, n=0, **body)

    old = with_privates({"_count": int, "_gone": str, "_kept": str}, _count=0, _gone="g", _kept="k")
    new = with_privates({"_count": float, "_kept": str, "_fresh": int}, _count=0.0, _kept="k", _fresh=9)
    obj = old()
    obj._count, obj._kept = 5, "stored"
    found = through(obj, new)
    assert (found._count, found._kept, found._fresh) == (5.0, "stored", 9) and not hasattr(found, "_gone")
    other = with_privates({"_count": list[int]}, _count=[])
    with pytest.raises(MigrationRequired, match=r"Root\._count"):
        _ = through(obj, other)._count


class Animal(Model):
    name: str = ""


class Lion(Animal):
    mane: int = 1
    gone: int = 3


def test_subclasses_in_fields_of_their_base(tmp_path: Path) -> None:
    def versions(fields: dict[str, Any], **defaults: Any) -> tuple[Any, Any, Any]:
        animal = model("Animal", {"name": str}, name="")
        return (
            animal,
            model("Lion", fields, animal, **defaults),
            model("Zoo", {"star": animal, "all": list[animal]}, all=Chunk()),
        )

    _, lion, zoo = versions({"mane": int, "gone": int}, mane=1, gone=2)
    _, new_lion, new_zoo = versions({"mane": float, "age": int}, mane=0.5, age=4)
    path = tmp_path / "a.par"
    parcode_orm.save(path, zoo(star=lion(name="a", mane=5), all=[lion(name=str(n)) for n in range(3)]))
    with Session(path) as session:
        root = session.root(new_zoo)
        assert type(root.star.model_load()) is new_lion and (root.star.mane, root.star.age) == (5.0, 4)
        root.all[1].age = 9
        session.commit()
    found = parcode_orm.load(path, new_zoo)
    assert [(each.name, each.mane, each.age) for each in found.all] == [("0", 1.0, 4), ("1", 1.0, 9), ("2", 1.0, 4)]


# -- renames -----------------------------------------------------------------------------------------------------------


def test_renamed_fields_classes_and_members(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    colour = enum.Enum("Colour", {"GRAY": "g", "RED": "r"})
    item = model("Item", {"n": int, "hue": colour})
    old = model("House", {"rooms": int, "items": list[item], "best": item}, items=Chunk())
    obj = old(rooms=3, items=[item(n=1, hue=colour.GRAY)], best=item(n=2, hue=colour.RED))
    parcode_orm.save(path, obj)

    tint = renamed_from("Colour", GREY="GRAY")(enum.Enum("Tint", {"GREY": "g", "RED": "r"}))
    thing = renamed_from("Item")(model("Thing", {"count": int, "hue": tint}, count=Field(renamed_from="n")))
    fields = {"chambers": int, "things": list[thing], "best": thing}
    villa = renamed_from("House")(
        model("Villa", fields, chambers=Field(renamed_from=("halls", "rooms")), things=Chunk(renamed_from="items"))
    )
    with Session(path) as session:
        root = session.root(villa)
        assert root.chambers == 3 and root.model_fields_set == {"chambers", "things", "best"}
        assert (root.things[0].count, root.things[0].hue, root.best.hue) == (1, tint.GREY, tint.RED)
        session.commit()
        assert session.snapshot.sequence == 1
        root.chambers = 4
        session.commit()
        assert session.roots() == ["Villa"]
        assert session.diff(1, 2).schemas == []
    assert parcode_orm.load(path, villa).things[0].hue is tint.GREY
    with Session.open(path, at=1) as session:
        assert session.root(villa).chambers == 3
    with Session.open(path, at=1) as session:
        assert session.root(old).rooms == 3


def test_renames_that_nobody_can_resolve() -> None:
    old = model("Root", {"a": int, "b": int}, a=1, b=2)
    with pytest.raises(MigrationRequired, match=r"has a field 'a' still.*RenameField\('Root', 'a', 'c'\)"):
        through(old(), model("Root", {"a": int, "c": int}, c=Field(renamed_from="a")))
    with pytest.raises(MigrationRequired, match=r"older rows have 'a' and 'b'"):
        through(old(), model("Root", {"c": int}, c=Field(renamed_from=("a", "b"))))
    clash = renamed_from(RED="BLUE")(enum.Enum("Hue", {"RED": 1, "BLUE": 2, "MORE": 3}))
    with pytest.raises(MigrationRequired, match="member BLUE"):
        through(model("Root", {"hue": Hue})(hue=Hue.RED), model("Root", {"hue": clash}))
    for wrong in (
        lambda: renamed_from(),
        lambda: renamed_from(5),
        lambda: renamed_from(A="B")(Node),
        lambda: renamed_from(X="Y")(Hue),
    ):
        with pytest.raises(TypeError, match="renamed_from"):
            wrong()
    with pytest.raises(TypeError, match="renamed_from"):
        Field(renamed_from=5)  # type: ignore[arg-type]


def test_renamed_fields_of_other_classes() -> None:
    @dataclasses.dataclass
    class Crate:
        weight: Annotated[float, renamed_from("size")] = 0.0

    crate = renamed_from("Box")(Crate)
    found = through(model("Root", {"box": Box})(box=Box(3)), model("Root", {"box": crate}))
    assert found.box == Crate(3.0)


def test_members_of_an_enum() -> None:
    old, more = enum.Enum("State", ["A", "B"]), enum.Enum("State", {"B": "b", "C": "c"})
    wrapped = [lambda tp: tp, lambda tp: list[tp] | None, lambda tp: dict[str, tp | int], lambda tp: tuple[tp, int]]
    values = [lambda v: v, lambda v: [v], lambda v: {"k": v}, lambda v: (v, 1)]
    for wrap, put in zip(wrapped, values, strict=True):
        before, after = model("Root", {"v": wrap(old)}), model("Root", {"v": wrap(more)})
        assert through(before(v=put(old.B)), after).v == put(more.B)
        with pytest.raises(SchemaMismatchError, match="has no member 'A'"):
            through(before(v=put(old.A)), after)


# -- entities ----------------------------------------------------------------------------------------------------------


def entity(fields: dict[str, Any], **defaults: Any) -> Any:
    return model("Player", {"id": int, **fields}, id=Key(default=None, auto=True), **defaults)


def test_entities(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    old = entity({"name": str, "level": int, "gold": int}, name=Index(unique=True), level=Index())
    with Session(path) as session:
        session.add_all(old(name=f"n{n}", level=n, gold=n) for n in range(6_000))
        session.commit()
    fields = {"nick": str, "level": float, "mana": int}
    new = entity(fields, nick=Index(unique=True, renamed_from="name"), level=Index(), mana=5)
    with Session(path) as session:
        assert session.get(new, 7).model_dump() == {"id": 7, "nick": "n6", "level": 6.0, "mana": 5}
        assert session.scalars(select(new).where(new.nick == "n9")).one().level == 9.0
        found = select(new).where(new.level == 3)
        assert "index" in str(session.explain(found)) and session.scalars(found).one().nick == "n3"
        session.get(new, 7).level = 9999.5
        session.add(new(nick="fresh", level=3))
        session.commit()
        assert len(session.scalars(found).all()) == 2
        assert session.scalars(select(new).where(new.level > 9_000)).one().nick == "n6"
        with pytest.raises(parcode_orm.IntegrityError):
            session.add(new(nick="n1", level=1))
            session.commit()
    compact(path)
    assert verify(path).ok
    with Session.open(path) as session:
        assert session.get(new, 8).mana == 5 and session.get(new, 6001).nick == "fresh"


def test_indexes_of_several_fields_after_a_rename(tmp_path: Path) -> None:
    """The index of one renamed field was found; one of two fields, or of a nested field, asked for a migration."""
    path = tmp_path / "a.par"
    home = model("Home", {"city": str})
    old = entity(
        {"name": str, "level": int, "home": home}, __indexes__=(Index("name", "level"), Index("home.city", unique=True))
    )
    with Session(path) as session:
        session.add_all(old(name=f"n{n % 100}", level=n, home=home(city=f"c{n}")) for n in range(6_000))
        session.commit()
    place = model("Home", {"town": str}, town=Field(renamed_from="city"))
    new = entity(
        {"nick": str, "level": int, "place": place},
        nick=Field(renamed_from="name"),
        place=Field(renamed_from="home"),
        __indexes__=(Index("nick", "level"), Index("place.town", unique=True)),
    )
    with Session(path) as session:
        found = select(new).where(new.nick == "n7", new.level > 5_900)
        assert "by the index of nick, level" in str(session.explain(found))
        assert session.scalars(found).one().level == 5_907
        assert session.get_or_create(new, place=place(town="c5"), nick="n5", level=5)[0].id == 6
        session.get(new, 6).nick = "new"
        session.commit()
        assert session.scalars(select(new).where(new.nick == "new", new.level == 5)).one().place.town == "c5"
    assert verify(path, models=[new]).ok


def test_a_root_becomes_entities_or_the_other_way_round(tmp_path: Path) -> None:
    """`get` gave None, and `root` said that the file had no such root, as if nothing was stored."""
    root, entities = model("Shop", {"name": str}), model("Shop", {"name": str, "id": int}, id=Key())
    for old, obj, ask in (
        ("a root, and the class has a Key", root(name="a"), lambda session: session.get(entities, 1)),
        ("entities, and the class has no Key", entities(name="a", id=1), lambda session: session.root(root)),
    ):
        path = tmp_path / f"{old}.par"
        with Session(path) as session:
            session.add(obj)
            session.commit()
        with Session(path) as session, pytest.raises(MigrationRequired, match=f"the file has Shop as {old}"):
            ask(session)


CHANGES: list[Any] = [
    lambda session, cls: setattr(session.get_one(cls, 8), "name", "x"),
    lambda session, cls: session.add(cls(name="y", level=cls.model_fields["level"].annotation(500))),
    lambda session, cls: session.delete(session.get_one(cls, 8)),
    lambda session, cls: session.execute(update(cls).values(name="z")),
    lambda session, cls: session.execute(delete(cls).where(cls.name == "n7")),
]


def test_entities_that_need_a_migration(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    old = entity({"name": str, "level": int}, level=Index())
    with Session(path) as session:
        session.add_all(old(name=f"n{n}", level=n) for n in range(100))
        session.commit()
    cases = {
        r"name has an index now.*AddIndex\('Player', 'name'\)": entity(
            {"name": str, "level": int}, name=Index(), level=Index()
        ),
        r"Player.level was built when .*AlterField\('Player', \.\.\.\)": entity(
            {"name": str, "level": str}, level=Index()
        ),
        r"level is unique now.*SetUnique\('Player', 'level'\)": entity(
            {"name": str, "level": int}, level=Index(unique=True)
        ),
        r"Player\.\(name, level\) has an index now.*AddIndex\('Player', \('name', 'level'\)\)": entity(
            {"name": str, "level": int}, level=Index(), __indexes__=(Index("name", "level"),)
        ),
    }
    before = path.read_bytes()
    for message, cls in cases.items():
        with Session(path) as session:  # queries do without the index
            assert session.get_one(cls, 8).name == "n7"
            assert session.scalars(select(cls.id).where(cls.name == "n7")).all() == [8]
            assert "the file has no index of " in str(session.explain(select(cls)))
            assert not session.dirty
            session.commit()
            for change in CHANGES:
                change(session, cls)
                with pytest.raises(MigrationRequired, match=f"{message}.* Until then Player can only be read"):
                    session.commit()
                session.rollback()
        assert "a migration with the operation" in str(verify(path, models=[cls]))
    assert path.read_bytes() == before
    other_key = model("Player", {"id": str, "name": str}, id=Key())
    message = r"Player: stored as .*must be stored anew.*AlterField\('Player', \.\.\.\) of the key"
    with Session.open(path) as session, pytest.raises(MigrationRequired, match=message):
        session.get(other_key, "5")
    without = entity({"name": str, "level": int})
    with Session.open(path) as session:
        assert session.scalars(select(without).where(without.level == 5)).one().name == "n5"


def test_keys_of_maps() -> None:
    def world(key: Any) -> Any:
        return model("World", {"m": dict[key, int]}, m=ShardedMap())

    old = world(int)(m={n: n for n in range(20_000)})
    data = parcode_orm.dumps(old)
    for key in (float, int | str, int | None):
        with Session.open(data) as session:
            found = session.root(world(key)).m
            assert found[7] == 7 and 20_000 not in found and len(found.load()) == 20_000
    for key in (str, Hue, tuple[int, int]):
        with (
            Session.open(data) as session,
            pytest.raises(MigrationRequired, match=r"World\.m: its keys were stored as int"),
        ):
            _ = session.root(world(key)).m[next(iter(Hue))]


# -- packed values -----------------------------------------------------------------------------------------------------


def defined(source: str) -> Any:
    """The class `Thing` of a module's text, in a module that is there in its newest version."""
    found = types.ModuleType("evolving")
    sys.modules["evolving"] = found
    exec("from __future__ import annotations\n" + source, found.__dict__)
    return parcode_orm.register(found.Thing)


MODEL = "from parcode_orm import Field, Model\nclass Thing(Model):\n"
CLASS = "import dataclasses\n@dataclasses.dataclass\nclass Thing:\n"


@pytest.mark.parametrize("head", [MODEL, CLASS])
def test_packed_objects(head: str) -> None:
    holder = model("Root", {"v": Any})
    old = defined(head + "    n: int\n    gone: str = 'g'\n    k: int = 1")
    data = parcode_orm.dumps(holder(v=[old(n=5), {"a": old(n=6, k=2)}]))
    new = defined(
        head
        + "    k: float = 0.0\n    n: float = 0.5\n    fresh: list = "
        + ("[]" if head is MODEL else "dataclasses.field(default_factory=list)")
    )
    found = parcode_orm.loads(data, holder).v
    assert found == [new(n=5.0, k=1.0, fresh=[]), {"a": new(n=6.0, k=2.0, fresh=[])}] and type(found[0].n) is float
    if head is MODEL:
        assert found[0].model_fields_set == {"n"}
    defined(head + "    n: str\n    k: int = 1")
    with pytest.raises(SchemaMismatchError, match=r"Thing\.n: a packed object has 5 here"):
        parcode_orm.loads(data, holder)
    defined(head + "    n: int\n    must: int" if head is MODEL else head + "    must: int\n    n: int = 1")
    with pytest.raises(MigrationRequired, match=r"Thing\.must"):
        parcode_orm.loads(data, holder)
    if head is MODEL:
        renamed = defined(head + "    m: int = Field(renamed_from='n')")
        assert parcode_orm.loads(data, holder).v[0] == renamed(m=5)


def test_packed_named_tuples() -> None:
    holder = model("Root", {"v": Any})
    source = "from typing import NamedTuple\nclass Thing(NamedTuple):\n    {}: int\n    {}: int"
    data = parcode_orm.dumps(holder(v=defined(source.format("x", "y"))(1, 2)))
    defined(source.format("y", "x"))
    with pytest.raises(SchemaMismatchError, match="does not fit the class as it is now"):
        parcode_orm.loads(data, holder)

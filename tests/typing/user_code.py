"""A user's file as mypy and pyright see it.

It is checked, not run: "type: ignore" speaks to mypy and "pyright: ignore" to pyright, and each must be needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, assert_type

from pydantic import Field

import parcode_orm
from parcode_orm import (
    Backref,
    Chunk,
    CommitChanges,
    Key,
    LazyBytes,
    LazyList,
    LazyMap,
    Model,
    Ref,
    RowChange,
    Session,
    ShardedMap,
    Snapshot,
    any_,
    backup,
    case,
    cast,
    col,
    desc,
    exists,
    func,
    lazy,
    len_,
    select,
    union,
)
from parcode_orm.interop.aio import AsyncSession
from parcode_orm.interop.arrow import scan_parcode
from parcode_orm.interop.dataset import DatasetWriter
from parcode_orm.interop.remote import Remote
from parcode_orm.query import Expression, Select
from parcode_orm.session import open as open_session


class WorldSettings(Model):
    difficulty: int
    history: list[str] = Chunk()


class Player(Model):
    level: int
    inventory: list[int] = Chunk(default_factory=list)
    title: str | None = None
    score: Annotated[float, Field(ge=0)] = 0.0

    def promoted(self) -> Player:
        return self.model_copy(update={"level": self.level + 1})


class Veteran(Player):
    medals: Annotated[list[str], Chunk(compression="zstd")]


class GameWorld(Model):
    id: int
    name: str
    settings: WorldSettings = Chunk()
    terrain: bytes = Chunk(compression="lz4")
    players: dict[str, Player] = ShardedMap(description="by name")


T = TypeVar("T")


class Guild(Model):
    name: str = Key()
    members: Sequence[Member] = Backref("guild")


class Member(Model):
    name: str = Key()
    guild: Ref[Guild]


class Box(Model, Generic[T]):
    items: list[T] = Chunk()


# The constructor knows the fields, which of them are required, and their types.
settings = WorldSettings(difficulty=1, history=["founded"])
hero = Player(level=1)
world = GameWorld(id=1, name="a", settings=settings, terrain=b"", players={"Hero": hero})
veteran = Veteran(level=2, medals=["gold"])
box = Box[int](items=[1, 2])
guild = Guild(name="owls")
Guild(name="owls", members=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(guild.members, Sequence[Member])
select(Guild).where(col(Guild.members).any(Member.name == "ann"), ~col(Guild.members).any(), len_(Guild.members) > 2)
select(Guild, Member).join(Guild.members)
select(Guild.name, Member.name).outerjoin(Member, Guild.members)
ann = Member(name="ann", guild=Ref(guild))
assert_type(ann.guild, Ref[Guild])
assert_type(ann.guild.target, Guild)
assert_type(Ref(guild), Ref[Guild])
assert_type(Ref(Guild, "owls"), Ref[Guild])
ann.guild.name.upper()  # what is asked of the target has any type; that of the target itself is known
Member(name="bob", guild=guild)  # a field that is a reference takes the object, too, and a key
Member(name="bob", guild="owls")
Member(name="bob", guild=ann)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ann.guild = guild
ann.guild = "owls"
ann.guild = ann  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
select(Member).where(Member.guild == guild, Member.guild.in_([guild, "owls"]), col(Member.guild).is_not(None))
Player()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Player(level="one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
WorldSettings(difficulty=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Player(level=1, levle=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Fields have the types that they are declared with.
assert_type(hero.level, int)
assert_type(hero.title, str | None)
assert_type(hero.promoted(), Player)
assert_type(veteran.medals, list[str])
assert_type(box.items, list[int])
assert_type(world.settings.history, list[str])
assert_type(world.players["Hero"].level, int)
print(hero.levle)  # type: ignore[attr-defined]  # pyright: ignore
hero.level = "two"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]

# Whole objects.
parcode_orm.save("world.par", world, compression="lz4", workers=0)
assert_type(parcode_orm.load("world.par", GameWorld), GameWorld)
assert_type(parcode_orm.dumps(world), bytes)
assert_type(parcode_orm.loads(b"", GameWorld), GameWorld)
parcode_orm.load("world.par")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Sessions and what they give.
with Session("world.par") as session:
    assert_type(session, Session)
    session.add(world)
    session.commit()
    assert_type(session.root(GameWorld), GameWorld)
    assert_type(session.root(GameWorld).players["Hero"], Player)
    assert_type(session.stats.bytes_read, int)
    session.root(GameWorld).players["Hero"].inventory.append(1)

with open_session("world.par") as reader:
    assert_type(reader, Session)
    opened = reader.root(GameWorld)
    opened.name.upper()

assert_type(Session.open("world.par").root(GameWorld).settings.difficulty, int)

# What is read is a path, a place elsewhere, bytes or a binary file; what is written to, a path or a place elsewhere.
place = Remote("s3://games/world.par", cache=Path("kept"), endpoint_url="http://127.0.0.1:5000")
for readable in ("world.par", "s3://games/world.par", Path("world.par"), place, b"", bytearray(), memoryview(b"")):
    assert_type(Session.open(readable), Session)
    assert_type(Session(readable, read_only=True), Session)
    assert_type(parcode_orm.load(readable, GameWorld), GameWorld)
    assert_type(parcode_orm.schema(readable).source(), str)
    AsyncSession.open(readable)
with Path("world.par").open("rb") as file:
    assert_type(open_session(file), Session)
    parcode_orm.inspect(file)
    parcode_orm.verify(file)
for writable in ("world.par", "s3://games/world.par", Path("world.par"), place):
    parcode_orm.save(writable, world)
    assert_type(parcode_orm.dataset(writable, Player), parcode_orm.Dataset[Player])
    assert_type(parcode_orm.Dataset.write(writable, [hero]), parcode_orm.Dataset[Player])
    DatasetWriter(writable, Player)
    scan_parcode(writable, Guild)
Session.open(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
parcode_orm.save(b"", world)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
parcode_orm.inspect(place)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
backup(place, "copy.par")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Handles of large values.
terrain: LazyBytes = opened.lazy("terrain")
assert_type(terrain[0], int)
assert_type(terrain[1:3], bytes)
assert_type(terrain.read(5), bytes)
opened.lazy()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# lazy() names the lazy type of a list or dictionary field.
history = lazy(opened.settings.history)
assert_type(history, LazyList[str])
assert_type(history.load(), list[str])
assert_type(history[0], str)
assert_type(history[:2], list[str])
players = lazy(opened.players)
assert_type(players, LazyMap[str, Player])
assert_type(players.load(), dict[str, Player])
assert_type(players["Hero"], Player)
assert_type(players.get("Hero"), Player | None)

# Queries. What a class's field is in an expression, type checkers take for the field's own type.
with Session("world.par") as session:
    heroes = session.root(GameWorld).players
    assert_type(select(Player), Select[Player])
    assert_type(select(heroes), Select[Player])
    assert_type(select(opened.settings.history), Select[str])
    statement = select(heroes).where(Player.level > 3, Player.title == None).filter_by(level__gt=3)  # noqa: E711
    assert_type(statement.order_by(desc(Player.level), Player.score).limit(3), Select[Player])
    assert_type(select(Player.level), Select[int])
    assert_type(select(Player.title), Select[str | None])
    assert_type(select(func.count()), Select[int])
    assert_type(select(Player.level, func.count()), Select[Any])
    Other = parcode_orm.aliased(Veteran, "other")
    assert_type(Other.level, int)
    pairs = select(Player, Other).join(Other, Player.level == Other.level).where(Other.level > 3)
    assert_type(session.execute(pairs).all(), list[tuple[Player, Veteran]])
    assert_type(session.scalars(pairs.order_by(Player.level)).all(), list[Player])
    three = select(GameWorld, WorldSettings, Player)
    assert_type(session.execute(three).one(), tuple[GameWorld, WorldSettings, Player])
    assert_type(session.execute(select(Player.level, func.count())).one(), Any)
    assert_type(session.scalars(statement).all(), list[Player])
    assert_type(session.scalars(statement).first(), Player | None)
    assert_type(session.scalars(statement).one(), Player)
    assert_type(session.scalar(select(Player.level).select_from(heroes)), int | None)
    assert_type(session.scalar(select(func.sum(Player.level)).select_from(heroes)), int | None)
    for found in session.scalars(statement):
        assert_type(found, Player)
    statement.where(col(Player.level).in_([1, 2]), len_(Player.inventory) > 2, any_(Player.inventory, func.item() > 1))
    statement.order_by(col(Player.title).desc().nulls_last())
    assert_type(col(Player.level), Expression[int])
    # Not seen: the methods of an expression on the field itself, and that a list field is no collection of rows.
    Player.level.desc()  # type: ignore[attr-defined]  # pyright: ignore
    assert_type(select(Player.inventory), Select[int])
    # Inside of each other, and over windows.
    best = select(heroes).where(Player.level == select(func.max(Player.level)).scalar_subquery())
    assert_type(best, Select[Player])
    assert_type(func.row_number().over(partition_by=Player.title, order_by=desc(Player.level)), Expression[int])
    assert_type(func.sum(Player.level).over(rows=(-2, 0)), Expression[int])
    assert_type(func.lag(Player.level).over(), Expression[int | None])
    assert_type(select(func.rank().over(order_by=Player.level)), Select[int])
    assert_type(case((Player.level > 3, "high"), else_="low"), Expression[Any])
    assert_type(cast(Player.level, str), Expression[str])
    assert_type(func.nullif(Player.level, 0), Expression[int | None])
    assert_type(exists(statement), Expression[bool])
    assert_type(union(statement, best), Select[Player])
    assert_type(statement.except_(best).order_by(Player.level), Select[Player])
    assert_type(session.scalars(statement.union_all(best)).all(), list[Player])
    columns = select(Player.level, func.rank().over(order_by=Player.level).label("rank")).subquery("ranked")
    session.execute(select(columns.c.level).where(columns.c.rank < 3))
    statement.where(col(Player.title).in_(select(Player.title)), ~statement.exists())
    func.rank().over(Player.level)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    statement.limit("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Villa(Model):
    rooms: int = parcode_orm.Field(renamed_from="chambers")
    guests: list[str] = parcode_orm.Field(default_factory=list, renamed_from=("visitors", "people"))


assert_type(Villa(rooms=3).guests, list[str])
Villa()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class Knight(Model):
    first: str
    last: str

    @parcode_orm.upgrade(from_version=1)
    @staticmethod
    def split_name(stored: dict[str, Any]) -> dict[str, Any]:
        return {"first": stored["name"], "last": ""}

    @parcode_orm.upgrade(from_version=2)
    @classmethod
    def with_defaults(cls, stored: dict[str, Any]) -> dict[str, Any]:
        return {name: stored.get(name, "") for name in cls.model_fields}

    @parcode_orm.upgrade(from_version=3)  # type: ignore[type-var]  # pyright: ignore
    @staticmethod
    def wrong(stored: int) -> int:
        return stored


assert_type(Knight.split_name({}), dict[str, Any])
assert_type(Knight.with_defaults({}), dict[str, Any])
parcode_orm.upgrade(from_version="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def follow(session: Session) -> None:
    for commit in session.changes(since=3, classes=[GameWorld, "Player"]):
        assert_type(commit, CommitChanges)
        for row in commit:
            assert_type(row, RowChange)
            assert_type(row.kind, Literal["inserted", "changed", "deleted"])
            assert_type(row.fields["level"].new, object)
    assert_type(next(session.watch(timeout=1.0)), Snapshot)
    assert_type(backup("world.par", "copy.par", since=3).copied, int)

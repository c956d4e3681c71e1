"""The files that the tests of the command ask: the world of the README, and flights out of New York."""

from __future__ import annotations

from pathlib import Path

from parcode_orm import Chunk, Index, Key, Model, Session, ShardedMap


class WorldSettings(Model):
    difficulty: int
    history: list[str] = Chunk()


class Player(Model):
    level: int
    inventory: list[int] = Chunk()


class GameWorld(Model):
    name: str
    settings: WorldSettings = Chunk()
    terrain: bytes = Chunk(compression="lz4")
    players: dict[str, Player] = ShardedMap()


class Trade(Model):
    id: int = Key(default=None, auto=True)
    buyer: str = Index()
    price: int


HOSTILE = "\x1b[31mred\u202e\n"


def write_world(path: Path) -> Path:
    """A file of three commits: the world and its trades, a change of the world, a trade with escapes in it."""
    players = {f"Hero{n}": Player(level=n % 99, inventory=[n]) for n in range(300)}
    settings = WorldSettings(difficulty=3, history=["founded", "flooded"])
    with Session(path) as session:
        session.add(GameWorld(name="Aldermoor", settings=settings, terrain=bytes(range(256)) * 400, players=players))
        session.add_all(Trade(buyer=f"Hero{n % 100}", price=n % 97) for n in range(2_000))
        session.commit("first")
    with Session(path) as session:
        world = session.root(GameWorld)
        world.players["Hero3"].level = 77
        world.players["Hero3"].inventory.append(5)
        session.commit()
    with Session(path) as session:
        session.get_one(Trade, 5).price = 1000
        session.add(Trade(buyer=HOSTILE, price=2000))
        session.commit("prices")
    return path

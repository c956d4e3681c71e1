"""A saved game: one small thing is read out of a large file, and the session's counters show that the rest was not.

python examples/game_world.py [DIRECTORY]
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from parcode_orm import Chunk, Model, Session, ShardedMap

PLAYERS = 20_000
TERRAIN = 4_000_000


class WorldSettings(Model):
    difficulty: int
    history: list[str] = Chunk()


class Player(Model):
    level: int
    inventory: list[int] = Chunk()


class GameWorld(Model):
    id: int
    name: str
    settings: WorldSettings = Chunk()
    terrain: bytes = Chunk(compression="lz4")
    players: dict[str, Player] = ShardedMap()


def build() -> GameWorld:
    rng = random.Random(7)
    return GameWorld(
        id=1,
        name="Aldermoor",
        settings=WorldSettings(difficulty=3, history=[f"day {day}: all quiet" for day in range(1, 366)]),
        terrain=rng.randbytes(TERRAIN),
        players={
            f"Hero{number}": Player(level=rng.randint(1, 99), inventory=rng.sample(range(1_000), rng.randint(0, 20)))
            for number in range(PLAYERS)
        },
    )


class Reads:
    """Prints a value, and what the session read from the file to get it."""

    def __init__(self, session: Session) -> None:
        self.stats = session.stats
        self.seen = self.now()

    def now(self) -> tuple[int, int, int]:
        return self.stats.chunks_read, self.stats.bytes_read, self.stats.rows_read

    def show(self, what: str, value: object) -> None:
        new = self.now()
        chunks, size, rows = (after - before for after, before in zip(new, self.seen, strict=True))
        self.seen = new
        print(f"  {what:<39} = {value!s:<9}  read {chunks:>2} chunks, {size:>9,} bytes, {rows:>2} rows")


def read(path: Path) -> None:
    with Session.open(path) as session:
        reads = Reads(session)
        world = session.root(GameWorld)
        reads.show("world.name", world.name)
        reads.show("world.settings.difficulty", world.settings.difficulty)
        reads.show('world.players["Hero123"].level', world.players["Hero123"].level)
        reads.show('len(world.players["Hero123"].inventory)', len(world.players["Hero123"].inventory))
        reads.show('"Nobody" in world.players', "Nobody" in world.players)

        stats, size = session.stats, path.stat().st_size
        print(f"In all {stats.bytes_read:,} of {size:,} bytes and {stats.rows_read} rows of {PLAYERS:,} players.")
        assert stats.bytes_read < TERRAIN // 10, "the terrain was read"
        assert stats.rows_read < PLAYERS // 100, "the other players were read"
        print("The terrain and the other players were never read.")
        print("The terrain is read when it is asked for:")
        reads.show("len(world.terrain)", len(world.terrain))


def change(path: Path) -> None:
    with Session(path) as session:
        hero = session.root(GameWorld).players["Hero123"]
        hero.level += 1
        hero.inventory.append(1_000)
        session.commit()
        print(f"Committed: Hero123 is level {hero.level} now.")
    with Session.open(path) as session:
        again = session.root(GameWorld).players["Hero123"]
        assert again.level == hero.level and again.inventory[-1] == 1_000
        print(f"Reopened: level {again.level}, the newest item is {again.inventory[-1]}.")


def main(directory: Path) -> None:
    path = directory / "savegame.par"
    with Session(path) as session:
        session.add(build(), replace=True)  # a game that was saved here before gives way
        session.commit()
    print(f"Saved {PLAYERS:,} players and {TERRAIN:,} bytes of terrain: {path.stat().st_size:,} bytes. Opened again:")
    read(path)
    change(path)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))

"""Seeded data for the benchmarks: the same seed and size give equal worlds on every machine.

The `world` workload: players (int, str, int, float, optional str, list of ints) found by a string key, nested settings,
and one blob of random bytes that no compression makes smaller. 100,000 players go with a blob of 10 MB; fewer players
with a smaller one.
"""

from __future__ import annotations

import random
from typing import Any

from pydantic import BaseModel, ConfigDict

BLOB_BYTES_PER_PLAYER = 100


class Rules(BaseModel):
    permadeath: bool
    friendly_fire: bool
    max_party: int


class Settings(BaseModel):
    difficulty: int
    seed: int
    motto: str
    rules: Rules


class Player(BaseModel):
    id: int
    name: str
    level: int
    score: float
    email: str | None
    items: list[int]


class World(BaseModel):
    """What the peers store. Ours has the same fields, with markers (`benchmarks/peers/parcode.py`)."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    id: int
    name: str
    settings: Settings
    terrain: bytes
    players: dict[str, Player]


def player_key(number: int) -> str:
    return f"player-{number:07d}"


def player_keys(players: int) -> list[str]:
    return [player_key(number) for number in range(players)]


def _player(number: int, rng: random.Random) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Hero{number}",
        "level": rng.randint(1, 99),
        "score": round(rng.lognormvariate(8, 2), 3),
        "email": f"h{number}@mail.example" if rng.random() < 0.7 else None,
        "items": [rng.randint(1, 255) for _ in range(rng.randint(0, 12))],
    }


def world_data(players: int = 100_000, seed: int = 2026) -> dict[str, Any]:
    """The world as plain dictionaries, to be validated into either set of models."""
    rng = random.Random(seed)
    return {
        "id": 1,
        "name": "Aldermoor",
        "settings": {
            "difficulty": 7,
            "seed": rng.getrandbits(48),
            "motto": "what is written is kept",
            "rules": {"permadeath": False, "friendly_fire": True, "max_party": 6},
        },
        "terrain": rng.randbytes(players * BLOB_BYTES_PER_PLAYER),
        "players": {player_key(number): _player(number, rng) for number in range(players)},
    }

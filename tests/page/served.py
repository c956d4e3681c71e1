"""A game's file, and a server that shows it, asked over HTTP as a browser would, or an attacker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from parcode_orm import Chunk, Index, Key, Model, Session, ShardedMap
from parcode_orm.inspector.page.server import Server


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
    price: int | None


def game(path: Path) -> Path:
    """The world of the README, smaller, in three commits."""
    players = {f"Hero{n}": Player(level=n % 99, inventory=[n]) for n in range(300)}
    settings = WorldSettings(difficulty=3, history=["founded", "flooded"])
    with Session(path) as session:
        session.add(GameWorld(name="Aldermoor", settings=settings, terrain=bytes(200_000), players=players))
        session.add_all(Trade(buyer=f"Hero{n % 50}", price=n % 97) for n in range(1_000))
        session.commit(message="the world")
    for n in range(2):
        with Session(path) as session:
            hero = session.root(GameWorld).players["Hero123"]
            hero.level += 1
            hero.inventory.append(n)
            session.commit(message=f"day {n}")
    return path


@contextmanager
def serving(path: Path) -> Iterator[Server]:
    """A server of a file, in a thread."""
    server = Server(path)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def request(server: Server, method: str, target: str, headers: dict[str, str | None] | None = None) -> HTTPResponse:
    """An answer of the server, read. A header that is None is left out."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{server.server_port}", **(headers or {})}
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    answer.read = lambda *_: content  # type: ignore[method-assign]
    return answer


def asked(server: Server, route: str, **given: object) -> tuple[int, Any]:
    """The status and the data of an answer to the page."""
    answer = request(server, "GET", f"/api/{route}?{urlencode(given)}".rstrip("?"), token(server))
    return answer.status, json.loads(answer.read())


def token(server: Server) -> dict[str, str | None]:
    """The header of the page."""
    return {"Authorization": f"Bearer {server.token}"}

"""Four related classes and a root, and the rules of references over them in plain Python."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from parcode_orm import Chunk, Field, Index, Key, Model, Ref, ShardedMap


class Port(Model):
    id: int = Key()
    near: Ref[Port] | None = Index(None, on_delete="null")


class Plane(Model):
    id: int = Key()
    home: Ref[Port] | None = None
    pair: Ref[Plane] | None = Field(None, on_delete="cascade")
    seen: list[Ref[Port]] = Index([], on_delete="null")


class Note(Model):
    port: Ref[Port] | None = Field(None, on_delete="null")
    plane: Ref[Plane] | None = None


class Flight(Model):
    id: int = Key()
    plane: Ref[Plane] | None = Index(None, on_delete="cascade")
    note: Note | None = None
    also: dict[str, Ref[Port]] = Field({}, on_delete="null")


class Desk(Model):
    planes: dict[str, Ref[Plane]] = Field({}, on_delete="null")
    first: Ref[Flight] | None = None
    ports: list[Ref[Port]] = Chunk([], on_delete="null")
    notes: dict[str, Note] = ShardedMap({})


CLASSES: dict[str, Any] = {cls.__name__: cls for cls in (Port, Plane, Flight)}
Key_ = tuple[str, int]


@dataclass
class Link:
    """References of one field: the class they lead to, what becomes of them, and their keys by place."""

    called: str
    rule: str
    keys: dict[Any, int | None] = field(default_factory=dict)


def links_of(obj: Any) -> dict[str, Link]:
    """The references of an entity or of the root, field by field."""

    def one(ref: Any) -> dict[Any, int | None]:
        return {} if ref is None else {0: ref.key}

    def note(found: Note | None) -> tuple[Any, Any]:
        return (None, None) if found is None else (found.port, found.plane)

    if isinstance(obj, Port):
        return {"near": Link("Port", "null", one(obj.near))}
    if isinstance(obj, Plane):
        return {
            "home": Link("Port", "restrict", one(obj.home)),
            "pair": Link("Plane", "cascade", one(obj.pair)),
            "seen": Link("Port", "null", dict(enumerate(ref.key for ref in obj.seen))),
        }
    if isinstance(obj, Flight):
        port, plane = note(obj.note)
        return {
            "plane": Link("Plane", "cascade", one(obj.plane)),
            "note.port": Link("Port", "null", one(port)),
            "note.plane": Link("Plane", "restrict", one(plane)),
            "also": Link("Port", "null", {name: ref.key for name, ref in obj.also.items()}),
        }
    ports = {name: each.port.key for name, each in obj.notes.items() if each.port is not None}
    planes = {name: each.plane.key for name, each in obj.notes.items() if each.plane is not None}
    return {
        "planes": Link("Plane", "null", {name: ref.key for name, ref in obj.planes.items()}),
        "first": Link("Flight", "restrict", one(obj.first)),
        "ports": Link("Port", "null", dict(enumerate(ref.key for ref in obj.ports))),
        "notes.port": Link("Port", "null", ports),
        "notes.plane": Link("Plane", "restrict", planes),
    }


class Refused(Exception):
    """The rules refuse a commit."""


State = dict[Key_, dict[str, Link]]
"""The references of each entity, by class and key; the root has the key ("Desk", 0)."""


def committed(stored: State, now: State, moves: dict[Key_, int]) -> State:
    """What a commit stores. `now` has entities under the keys by which they are known, `moves` their new keys.

    Raises:
        Refused: a reference would dangle, or a rule restricts.
    """
    now = deepcopy(now)
    moves = {known: key for known, key in moves.items() if known in now and known[1] != key}
    moved = {(called, key): now[called, known] for (called, known), key in moves.items()}
    for target in moves:
        del now[target]
    if any(target in now for target in moved) or len(moved) < len(moves):
        raise Refused("a key comes twice")
    now.update(moved)
    _refuse(now, set(moves))
    gone: set[Key_] = set()
    while fresh := {key for key in stored if key not in now and key not in moves} - gone:
        gone |= fresh
        for key in [key for key, links in now.items() if _leads(links, fresh, "cascade")]:
            del now[key]
    if any(_leads(links, gone, "restrict") for links in now.values()):
        raise Refused("restricted")
    for links in now.values():
        for link in links.values():
            kept = {at: key for at, key in link.keys.items() if (link.called, key) not in gone}
            link.keys = kept if not all(isinstance(at, int) for at in kept) else dict(enumerate(kept.values()))
    for links in now.values():
        for link in links.values():
            if any((link.called, key) not in now for key in link.keys.values()):
                raise Refused("dangling")
    return now


def _refuse(now: State, keys: set[Key_]) -> None:
    for links in now.values():
        if any((link.called, key) in keys for link in links.values() for key in link.keys.values()):
            raise Refused("the key of a target changed")


def _leads(links: dict[str, Link], keys: set[Key_], rule: str) -> bool:
    return any(
        link.rule == rule and any((link.called, key) in keys for key in link.keys.values()) for link in links.values()
    )

"""What the runner asks of every peer, and what is the same for those that hold the whole world in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.worlds import World


class Handle(ABC):
    """A store held open."""

    @abstractmethod
    def lookup(self, key: str) -> int:
        """One player as a model, found by key; its level."""

    @abstractmethod
    def update(self, key: str) -> None:
        """Adds one to that player's level and commits."""

    def bytes_written(self) -> int | None:
        """Bytes that the store itself says it wrote so far, where it counts them."""
        return None

    @abstractmethod
    def close(self) -> None: ...


class Writer(NamedTuple):
    """One way to open a store for writing; `barriers` tells whether a commit waits until the disk has the bytes."""

    name: str
    barriers: bool
    open: Callable[[Path], Handle]


class Peer(ABC):
    name: str
    syncs: bool  # whether save and update wait until the disk has the bytes

    def build(self, data: dict[str, Any]) -> Any:
        """The world as this peer's user would hold it before saving."""
        return World.model_validate(data)

    @abstractmethod
    def save(self, path: Path, world: Any) -> None:
        """Writes all of `world` to `path`, where nothing is yet, and closes."""

    @abstractmethod
    def open_field(self, path: Path) -> int:
        """Opens, reads ``settings.difficulty`` and closes."""

    @abstractmethod
    def open_user(self, path: Path, key: str) -> int:
        """Opens, reads ``players[key].level`` and closes."""

    @abstractmethod
    def full_load(self, path: Path) -> Any:
        """The whole world as plain models."""

    @abstractmethod
    def open(self, path: Path, write: bool = False) -> Handle: ...

    def writers(self) -> list[Writer]:
        """How commits of one change are measured (`benchmarks/update.py`)."""
        return []


class WholeFile(Peer):
    """A format that is read and written only as a whole."""

    syncs = False

    def open_field(self, path: Path) -> int:
        difficulty: int = self.full_load(path).settings.difficulty
        return difficulty

    def open_user(self, path: Path, key: str) -> int:
        level: int = self.full_load(path).players[key].level
        return level

    def open(self, path: Path, write: bool = False) -> Handle:
        return InMemory(self, path)


class InMemory(Handle):
    def __init__(self, peer: Peer, path: Path) -> None:
        self.peer, self.path, self.world = peer, path, peer.full_load(path)

    def lookup(self, key: str) -> int:
        level: int = self.world.players[key].level
        return level

    def update(self, key: str) -> None:
        self.world.players[key].level += 1
        self.peer.save(self.path, self.world)

    def close(self) -> None:
        del self.world


def file_size(directory: Path) -> int:
    """Bytes of all files that a peer made in its directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())

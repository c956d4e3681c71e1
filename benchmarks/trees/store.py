"""What is asked of every store that takes edits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from benchmarks.trees.plain import Plain, Step
from benchmarks.trees.shapes import Held, World


class Bytes(NamedTuple):
    written: int
    read: int


class Store(ABC):
    """A world in a file, which is opened for each case."""

    name: ClassVar[str]
    ordered: ClassVar[bool] = True  # whether maps keep the order in which keys came

    def __init__(self, world: World, path: Path) -> None:
        self.world, self.path = world, path

    @abstractmethod
    def build(self) -> None:
        """Write the world to `path`, where nothing is yet."""

    @abstractmethod
    def open(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def prepare(self, step: Step) -> Any:
        """The step's value as this store's user would have it; made before the clock starts."""
        return step.value

    @abstractmethod
    def edit(self, step: Step, value: Any) -> None:
        """Read the way to the owner, change it and commit."""

    def bytes(self) -> Bytes | None:
        """Bytes that the open store itself counted so far, where it counts."""
        return None

    def checked(self, plain: Plain) -> Iterable[int]:
        """Which owners `check` compares: of peers, only the owners that an edit changed."""
        return sorted(plain.touched)

    @abstractmethod
    def contents(self, owners: Iterable[int]) -> Iterator[tuple[str, Held]]:
        """The owners' titles and what they hold, read from the closed file."""

    def check(self, plain: Plain) -> None:
        """Raise AssertionError if the file does not hold what the plain objects do: such a store is not measured."""
        owners = self.checked(plain)
        for number, found in zip(owners, self.contents(owners), strict=True):
            if not self._same(found, plain.now(number)):
                raise AssertionError(f"{self.name}: {self.world}: owner {number} is not what the edits made of it")

    def _same(self, found: tuple[str, Held], expected: tuple[str, Held]) -> bool:
        if found != expected:
            return False
        return not self.ordered or list(found[1]) == list(expected[1])


def change(target: Any, step: Step, value: Any) -> None:
    """A step in an object store: lists and maps there are used as Python's."""
    match step.operation:
        case "append":
            target.append(value)
        case "insert":
            target.insert(step.at, value)
        case "delete":
            del target[step.at]
        case "pop":
            target.pop(step.at)
        case "put":
            target[step.at] = value
        case "item" if step.within:
            target[step.at] = value
        case "item":
            target[step.at].n = value

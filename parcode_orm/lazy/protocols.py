"""What lazy collections ask of the rows that they stand for, wherever these are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from ..codec.base import Getter, Space, View
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import Mixed
from ..table.streaming import Spilled


class StoredRows(NamedTuple):
    """Where a stored row lies: row `row` of `view`, with `before` rows of the collection in front and `after` behind.

    `keys` is the view of the keys, of a dictionary's rows.
    """

    view: View
    row: int
    before: int
    after: int
    keys: View | None = None


class CollectionRows(Protocol):
    """The rows of a stored list, or of a stored dictionary. The row of a pair is its value."""

    @property
    def space(self) -> Space:
        """What the rows are read through."""

    @property
    def location(self) -> tuple[int, ...]:
        """Where the stored rows lie."""

    @property
    def origin(self) -> Any:
        """The rows that go back to what is stored: others, until a commit, where a stream moved them to a table."""

    @property
    def version(self) -> int:
        """A number that rises whenever rows, or keys, come or go."""

    def held(self) -> list[Any]:
        """The rows in memory: those handed out, and those that were put there."""

    def mixed(self) -> Mixed | None:
        """The rows for the codec; None where they are a table."""

    def column(self, names: list[str]) -> object:
        """The field at the path `names` of all rows, as an array."""

    def columns(self, paths: list[list[str]]) -> Iterator[list[object]]:
        """The fields at `paths` of all rows, a row group at a time: an array for each."""

    def __len__(self) -> int: ...

    def get(self, position: int) -> Any:
        """The row at `position`, or the value of its pair, lazy; in a writable session the same object each time."""

    def stretch(self, position: int) -> StoredRows | None:
        """Where the row at `position` lies as it is stored; None for one that is not stored so."""

    def scan(self, start: int, stop: int) -> Iterator[Any]:
        """The rows, or values, `start` to `stop`, lazy, a row group at a time."""

    def begin(self) -> object:
        """A change begins, to be followed by `end` or `undo`: the state that `undo` goes back to."""

    def end(self, state: object) -> None:
        """The change that began is whole."""

    def undo(self, state: object) -> None:
        """Take back a change that did not come to its end."""

    def remember(self) -> object:
        """The state of the rows in memory, for `go_back`; the rows themselves are not copied."""

    def go_back(self, state: object, keep: Callable[[Getter, int, object], bool]) -> None:
        """Take on, once, what `remember` gave; of values handed out since, those that `keep` says are held further."""

    def _check(self) -> None: ...


class Rows(CollectionRows, Protocol):
    """The rows of a stored list, by position."""

    def chunks(self) -> Iterator[list[Any]]:
        """Plain copies of all rows, a row group at a time."""

    def read(self, start: int, stop: int) -> list[Any]:
        """The rows `start` to `stop` as plain copies."""

    def set(self, position: int, value: object) -> None:
        """Put `value` in the place of a row."""

    def splice(self, start: int, stop: int, values: list[Any]) -> None:
        """Put `values` in the place of the rows `start` to `stop`."""

    def splice_spilled(self, column: ChunkColumn, start: int, stop: int, spilled: Spilled) -> Rows:
        """Put the rows of a stream in the place of the rows `start` to `stop`: the rows to go on with."""


class PairRows(CollectionRows, Protocol):
    """The rows of a stored dictionary."""

    def pair_chunks(self) -> Iterator[dict[Any, Any]]:
        """Plain copies of all pairs, a row group at a time."""

    def load(self) -> dict[Any, Any]:
        """Plain copies of all pairs."""

    def find(self, key: object, default: object) -> Any:
        """The value of a key, lazy; `default` where there is none."""

    def has(self, key: object) -> bool:
        """Whether there is such a key."""

    def keys(self) -> Iterator[Any]:
        """The keys, in order."""

    def key_at(self, position: int) -> Any:
        """The key at `position`."""

    def put(self, key: object, value: object) -> None:
        """Set the value of a key."""

    def remove(self, key: object) -> bool:
        """Remove a key; False where there is none."""

    def clear(self) -> None:
        """Remove all keys."""

    def put_spilled(self, column: ChunkColumn, spilled: Spilled) -> PairRows:
        """Set the pairs of a stream: the rows to go on with."""

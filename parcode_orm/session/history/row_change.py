"""What a commit did to one row: `RowChange`, and `FieldChange` for each field of the row that differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, NoReturn

from ...errors import ParcodeError
from ...lazy.shown import why
from ...lazy.state import MISSING
from .fields import shown, value_now

Kind = Literal["inserted", "changed", "deleted"]


class Row(NamedTuple):
    """Where a row is: the class of its root or entity, the key of an entity, and the way to it from there."""

    cls: str
    key: object
    path: tuple[Any, ...]
    text: str

    def field(self, names: tuple[str, ...]) -> Row:
        """The place of a field of the row, or of the models in it."""
        return self._replace(path=(*self.path, *names), text=self.text + spelled(names))

    def item(self, key: object) -> Row:
        """The place of a row in a collection which lies here."""
        return self._replace(path=(*self.path, key), text=f"{self.text}[{key!r}]")


def spelled(names: tuple[str, ...]) -> str:
    """Names of fields as Python spells them behind an object: `.home.city`."""
    return "".join(f".{name}" if name.isidentifier() else f"[{name!r}]" for name in names)


class FieldChange:
    """A field that a commit changed.

    Attributes:
        path: the name of the field, a tuple of one str; of a field of a model in the row, the names that lead to it.
    """

    __slots__ = ("_new", "_old", "path")

    def __init__(self, path: tuple[str, ...], old: object, new: object) -> None:
        self.path = path
        self._old = old
        self._new = new

    @property
    def kind(self) -> Kind:
        """What happened to the value: "inserted" or "deleted" if the row lacks the field on one side."""
        return "inserted" if self._old is MISSING else "deleted" if self._new is MISSING else "changed"

    @property
    def old(self) -> object:
        """The value before, read-only and lazy; a large value is read now. None if there was none.

        Raises:
            CorruptionError, DecodeError: the value cannot be read.
        """
        return value_now(self._old)

    @property
    def new(self) -> object:
        """The value after, in the same way. Raises as `old`."""
        return value_now(self._new)

    def __repr__(self) -> str:
        return f"<FieldChange {self}>"

    def __str__(self) -> str:
        return f"{spelled(self.path).removeprefix('.')}: {shown(self._old)} -> {shown(self._new)}"


class RowChange:
    """A row that a commit inserted, changed or deleted: a root, an entity, or a row of a lazy collection in one.

    Attributes:
        kind: "inserted", "changed" or "deleted".
        cls: the name of the class of the root or entity, a str.
        key: the key of the entity; None for a root.
        path: the way to the row, a tuple: `cls`, the key of an entity, then names of fields, keys and positions.
        where: `path` as Python spells it, a str: `World.players['ann']`, `Player[7].inventory[3]`.
        fields: of a row that changed, a `FieldChange` for each field that differs, by name: `"level"`, and
            `"home.city"` for a field of a model in the row. Empty if the row is no model, or its class is another one:
            then `new` replaces `old`. Rows of lazy collections are rows of their own, and no fields.
    """

    __slots__ = ("_new", "_old", "_row", "fields", "kind")

    def __init__(
        self,
        kind: Kind,
        row: Row,
        old: Callable[[], object] | None,
        new: Callable[[], object] | None,
        fields: Mapping[str, FieldChange] | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.fields: Mapping[str, FieldChange] = {} if fields is None else fields
        self._row = row
        self._old = old
        self._new = new

    @property
    def cls(self) -> str:
        """The name of the class of the root or entity."""
        return self._row.cls

    @property
    def key(self) -> object:
        """The key of the entity; None for a root."""
        return self._row.key

    @property
    def path(self) -> tuple[Any, ...]:
        """The way to the row."""
        return self._row.path

    @property
    def where(self) -> str:
        """`path` as Python spells it."""
        return self._row.text

    @property
    def old(self) -> Any:
        """The row before, read-only and lazy; None for one that was inserted.

        Raises:
            CorruptionError, DecodeError: it cannot be read.
        """
        return None if self._old is None else value_now(self._old())

    @property
    def new(self) -> Any:
        """The row after, in the same way; None for one that was deleted. Raises as `old`."""
        return None if self._new is None else value_now(self._new())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a change cannot be copied or pickled: it reads the file; str(change) can be kept")

    def __repr__(self) -> str:
        return f"<RowChange {self}>"

    def __str__(self) -> str:
        if self.kind == "inserted":
            return f"+ {self.where}: {_shown_of(self._new)}"
        if self.kind == "deleted":
            return f"- {self.where}: {_shown_of(self._old)}"
        if not self.fields:
            return f"~ {self.where}: {_shown_of(self._old)} -> {_shown_of(self._new)}"
        return f"~ {self.where} {', '.join(map(str, self.fields.values()))}"


def _shown_of(read: Callable[[], object] | None) -> str:
    try:
        return shown(MISSING if read is None else read())
    except ParcodeError as problem:
        return f"<{why(problem)}>"

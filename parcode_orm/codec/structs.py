"""What is known of a class whose objects are stored field by field, for columns and views alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from typing_extensions import is_typeddict

from ..format.chunk import Chunk
from ..format.encoder import Encoder
from .base import Column, Space, View
from .cycles import get_dict

Fields = list[tuple[str, Column]]
# Which parts a STRUCT node has behind its fields.
SETS, MISSING, EXTRA, PRIVATE, UNDECLARED = 1, 2, 4, 8, 16


@dataclass(slots=True)
class StructPlan:
    """What a struct column needs to know of a class.

    `kind` is "model" (a Model: `get` gives proxies) or "plain". `extract` gives the field
    dictionaries of objects, by default their `__dict__`; `build` makes objects of dictionaries, by
    default models without validation. `others` gives what objects hold beside their fields, by
    default extra values, stored in the column `extra`. `private` is the column of the private
    attributes. `exact` is the type of the values where it is not `cls` (a TypedDict's are dicts).
    `about` is what the schema says of the class besides: the key of entities.
    `ways` is a `FieldWays`, for values that a field's column does not take. `struct_for` compiles a
    subclass.
    """

    cls: type
    name: str
    fields: Fields
    kind: str = "model"
    extract: Callable[[Sequence[Any]], list[dict[str, Any]]] | None = None
    build: Callable[[list[dict[str, Any]]], list[Any]] | None = None
    private: Struct | None = None
    extra: Column | None = None
    others: Callable[[Sequence[Any]], list[dict[str, Any] | None]] | None = None
    exact: type | None = None
    ways: Any = None
    struct_for: Callable[[Any], Struct] | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def privates(self) -> Fields:
        """Names and columns of the private attributes."""
        return [] if self.private is None else self.private.fields

    @property
    def declared_privates(self) -> dict[str, Any]:
        """The private attributes that the class, a model, declares."""
        cls: Any = self.cls
        declared: dict[str, Any] = cls.__private_attributes__
        return declared


class Struct(Column, ABC):
    """The column of a class. Its fields may be set after it was built."""

    __slots__ = ("plan", "exact", "expected", "pydantic", "places", "all_names", "names")

    def __init__(self, plan: StructPlan) -> None:
        self.plan = plan
        self.exact = frozenset({plan.exact or (dict if is_typeddict(plan.cls) else plan.cls)})
        self.expected = plan.name
        self.pydantic = issubclass(plan.cls, BaseModel)
        self.forget()

    def forget(self) -> None:
        """Forget what follows from the fields, but where they are."""
        # For each field: which child of a node it is, and its column.
        self.places = {name: (i, column) for i, (name, column) in enumerate(self.plan.fields)}
        self.all_names = set(self.places)
        self.names = tuple(self.places)

    @property
    def fields(self) -> Fields:
        """Names and columns of the fields, in order."""
        return self.plan.fields

    @fields.setter
    def fields(self, fields: Fields) -> None:
        self.plan.fields = fields
        self.forget()

    def dicts(self, values: Sequence[Any]) -> Sequence[dict[str, Any]]:
        """The fields of `values`, all exactly of this class."""
        if self.plan.extract is not None:
            return self.plan.extract(values)
        if dict in self.exact:
            return values
        return list(map(get_dict, values)) if self.pydantic else [value.__dict__ for value in values]

    def parts(self) -> Sequence[Column]:
        columns = [column for _, column in (*self.plan.fields, *self.plan.privates)]
        return columns if self.plan.extra is None else [*columns, self.plan.extra]

    # What the column does with rows.

    @property
    @abstractmethod
    def lazy(self) -> bool:
        """Whether rows contain a Model or a marked field."""

    @property
    @abstractmethod
    def ways(self) -> Any:
        """How single rows of this struct are written and read: `Ways`."""

    @property
    @abstractmethod
    def builder(self) -> Any:
        """Makes plain objects of read columns: a `Builder`."""

    @abstractmethod
    def encode_here(self, values: Sequence[Any], out: Encoder) -> None:
        """Append `values`, at least one, on the level of the struct being encoded: this one."""

    @abstractmethod
    def write_rest(
        self,
        values: Sequence[Any],
        sets: Sequence[Any],
        count: int,
        missing: dict[str, set[int]],
        out: Encoder,
        most: int | None = None,
    ) -> int:
        """Append what follows the fields of `count` rows; return which parts there are.

        `sets` are the names of the fields that were set, for Pydantic's models only. `most` is
        how many items the longest dictionary of `values` has, where these are plain objects.
        """

    @property
    @abstractmethod
    def lazy_names(self) -> list[str]:
        """The fields whose values are, or hold, lazy objects."""

    @property
    @abstractmethod
    def lets_go(self) -> bool:
        """Whether a field is marked, or its values are, or hold, lazy objects."""

    @abstractmethod
    def open_field(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values of the field `name`."""

    @abstractmethod
    def open_part(self, bit: int, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold the part `bit` of `count` rows."""

"""Fields through references, `Flight.plane.year`: the rows that references lead to are found by their keys.

A condition on one reference, where few targets fulfil it, becomes a condition on its key, which an index may answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from ...errors import ParcodeError, QueryError
from ...model.keys import key_fields
from ..columns.merging import merged
from ..columns.operators import dig
from ..columns.vectors import Coded, Constant, Objects, Vector, vector_of
from ..expressions.computed import Computed
from ..expressions.evaluate import Frame, InMemory, evaluate, holds
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Item, Key, Literal, Logical, Operation, Quantified, Through
from ..expressions.rewriting import rewritten
from ..expressions.selectables import Entities, Home
from ..rows.ordered import may_change
from ..rows.sources import source_of
from .hash_join import Part, Side
from .join_keys import KeyIndex

T = TypeVar("T")
FEW = 1000  # targets whose keys can replace a condition on them
SHARE = 64  # one of so many targets is looked up by its key, while more are found in the column of keys


class Targets:
    """The entities of a class that references lead to."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities
        self._side: Side | None = None
        self._index: KeyIndex | None = None

    def values(self, path: tuple[str, ...], keys: Vector) -> Vector:
        """The field at `path` of the entities with some keys; None where there is none."""
        if isinstance(keys, Coded) and 2 * len(keys.words) < len(keys):
            return Coded(keys.codes, self.values(path, Objects(keys.words)).tolist())
        if isinstance(keys, Constant):
            (value,) = self.values(path, Objects([keys.value])).tolist()
            return Constant(value, len(keys))
        if self._index is None and len(keys) * SHARE <= len(self._entities.rows):
            rows = self._entities.rows
            known = {key: rows.get(key) for key in set(keys.tolist())}
            return vector_of([dig(known[key], path) for key in keys.tolist()])
        side, index = self._opened()
        matches = index.find([keys])
        part = Part(side, matches.rows, matches.coded)
        every = range(len(keys))
        found = part.column(path, every)
        return Objects([dig(obj, path) for obj in part.objects(every)]) if may_change(found) else found

    def _opened(self) -> tuple[Side, KeyIndex]:
        if self._side is None or self._index is None:
            batches = source_of(self._entities).batches(arrays=lambda items: True)
            frames = [Frame(batch) for batch in batches]
            self._side = Side(frames)
            names = key_fields(self._entities.cls)
            parts = []
            for frame in frames:
                batch: Any = frame.columns
                every = range(batch.count)
                # The key of an object in memory may be another one now, and references lead to the stored one.
                by_field = len(names) == 1 and not batch.held()
                parts.append(batch.column(names, every) if by_field else batch.keys(every))
            self._index = KeyIndex([merged(parts)], [Key()])
        return self._side, self._index


class Reached(Computed[T]):
    """A field through a reference, in a statement that is ready to run."""

    __slots__ = ("_of", "_targets", "_through", "_tp")

    def __init__(self, of: Expression[Any], through: Through[T], targets: Targets) -> None:
        self._of = of
        self._through = through
        self._targets = targets
        self._tp = through._tp

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._of,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Reached(parts[0], self._through, self._targets)

    def _identity(self) -> Any:
        return Reached, self._of._identity(), self._through._cls, self._through._path

    def _values(self, frame: Frame) -> Vector:
        return self._targets.values(self._through._path, evaluate(self._of, frame))

    @property
    def _name(self) -> str:
        return self._through._name

    def __str__(self) -> str:
        return str(self._through)


class Reaching:
    """What makes fields through references ready to run, with the entities that a session has for each class."""

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._known: dict[Any, Targets] = {}

    def value(self, expression: Expression[Any]) -> Expression[Any]:
        """An expression whose fields through references can be evaluated.

        Raises:
            QueryError: no session runs the statement.
        """
        return rewritten(expression, self._reached)

    def condition(self, expression: Expression[bool]) -> Expression[bool]:
        """A condition, by the keys of references where these are few."""
        return self.value(rewritten(expression, self._by_key))

    def _reached(self, expression: Expression[Any]) -> Expression[Any] | None:
        if not isinstance(expression, Through):
            return None
        cls = expression._cls
        if cls not in self._known:
            self._known[cls] = Targets(self._entities(expression))
        return Reached(self.value(expression._of), expression, self._known[cls])

    def _entities(self, through: Through[Any]) -> Entities:
        if self._home is None:
            raise QueryError(
                f"{through} is a field of other objects, which a session finds: session.scalars(statement)"
            )
        found = self._home.entities(through._cls)
        if not isinstance(found, Entities):
            raise QueryError(f"{through} is a field of other objects, and here no key finds them: join them")
        return found

    def _by_key(self, expression: Expression[Any]) -> Expression[Any] | None:
        """A condition on the target of one reference as one on its key."""
        through = _one_through(expression) if _is_condition(expression) else None
        if through is None or self._home is None:
            return None
        asked = _of_target(expression, through)
        of_none = holds_of_none(asked)
        if of_none is None:
            return None
        wanted = Logical("not", (asked,)) if of_none else asked
        keys = self._home.keys(through._cls, wanted, FEW)
        if keys is None:
            return None
        found: Expression[bool] = Operation("in", (through._of, Literal(frozenset(keys))), bool)
        return rewritten(Logical("not", (found,)) if of_none else found, self._by_key)


def _is_condition(expression: Expression[Any]) -> bool:
    return isinstance(expression, Logical) or (isinstance(expression, Operation) and expression._tp is bool)


def _one_through(expression: Expression[Any]) -> Through[Any] | None:
    """One of the fields through a reference, if an expression asks for nothing but such, through one reference."""
    leaves = list(_leaves(expression))
    if not leaves or not all(isinstance(each, Through) for each in leaves):
        return None
    first = leaves[0]
    assert isinstance(first, Through)
    same = first._of._identity()
    return first if all(each._of._identity() == same for each in leaves if isinstance(each, Through)) else None


def _leaves(expression: Expression[Any]) -> Iterable[Expression[Any]]:
    """What an expression asks of a row; nothing is inside of a field through a reference."""
    if isinstance(expression, Through | Field | Item | Key | Computed | Quantified):
        yield expression
    for part in () if isinstance(expression, Through | Quantified) else expression._parts():
        yield from _leaves(part)


def _of_target(expression: Expression[Any], through: Through[Any]) -> Expression[Any]:
    """An expression of a reference as one of its target."""

    def own(each: Expression[Any]) -> Expression[Any] | None:
        return Field(each._cls, each._path, each._tp) if isinstance(each, Through) else None

    return rewritten(expression, own)


def holds_of_none(condition: Expression[bool]) -> bool | None:
    """Whether a condition holds where there is no row; None where it cannot be asked then."""
    try:
        return bool(holds(condition, Frame(InMemory([None], [None])))[0])
    except ParcodeError:
        return None


def reaches(expressions: Iterable[Expression[Any]]) -> bool:
    """Whether a field through a reference stands in one of `expressions`."""
    return any(
        isinstance(each, Through)
        or (isinstance(each, Quantified) and reaches([each._condition]))
        or reaches(each._parts())
        for each in expressions
    )

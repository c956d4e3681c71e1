"""`Distance`: how far the vectors of a field are from a given one, or from those of another field."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, get_args, get_origin

from ...codec.vectors import vector_in
from ...errors import QueryError, called, told
from ...model.annotations import arms
from ...model.kinds import kinds_of
from ..columns.operators import TURNED
from .expressions import Expression
from .nodes import Field, Literal, Operation, Ordering

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

METRICS = {
    "cosine": "the cosine distance: 1 less the cosine of the angle, from 0 to 2",
    "l2": "the Euclidean distance",
    "dot": "the inner product",
}
_EXACT = 1 << 53  # ints below are floats of the same value
_SHOWN = 3  # numbers of a vector in the text of a statement
_NUMBERS = "biuf"  # kinds of numpy's dtypes


class Distance(Expression[float]):
    """The distance `metric` of the vectors that `of` gives: to `vector`, or to those of another expression `other`.

    It is computed in float64, from each row alone, so it does not depend on where the row is stored. It is None where
    a vector is None, and NaN for the cosine of a vector of zeros. In an order None comes last.
    """

    __slots__ = ("_metric", "_of", "_other", "_vector")
    _tp = float

    def __init__(
        self,
        metric: str,
        of: Expression[Any],
        vector: NDArray[float64] | None = None,
        other: Expression[Any] | None = None,
    ) -> None:
        self._metric = metric
        self._of = of
        self._vector = vector
        self._other = other

    def asc(self) -> Ordering:
        """The nearest first, None after all."""
        return Ordering(self, first=False)

    def desc(self) -> Ordering:
        """The farthest first, None after all."""
        return Ordering(self, descending=True, first=False)

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._of,) if self._other is None else (self._of, self._other)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Distance(self._metric, parts[0], self._vector, parts[1] if len(parts) == 2 else None)

    def _identity(self) -> Any:
        to = self._other._identity() if self._vector is None and self._other is not None else _bytes(self._vector)
        return Distance, self._metric, self._of._identity(), to

    @property
    def _name(self) -> str:
        return f"{self._metric}_{self._of._name}"

    def __str__(self) -> str:
        if self._vector is None:
            return f"{self._of}.{self._metric}({self._other})"
        shown = ", ".join(f"{value:.6g}" for value in self._vector[:_SHOWN].tolist())
        more = f", ... {len(self._vector)} numbers" if len(self._vector) > _SHOWN else ""
        return f"{self._of}.{self._metric}([{shown}{more}])"


def _bytes(vector: NDArray[float64] | None) -> bytes | None:
    return None if vector is None else vector.tobytes()


def distance_method(value: Expression[Any], name: str) -> Callable[..., Distance] | None:
    """The method `name` of vectors, to be called; None if `value` gives no vectors, or they have no such method."""
    return partial(distance, name, value) if name in METRICS and holds_vectors(value._tp) else None


def distance(metric: str, of: Expression[Any], to: object = None) -> Distance:
    """The distance of the vectors of `of` to `to`.

    Args:
        metric: a key of `METRICS`.
        of: an expression whose values are vectors.
        to: a list, tuple or array of finite numbers, of one axis; or another expression whose values are vectors.

    Raises:
        QueryError: `to` is none of these, has not as many numbers as the field says, or has only zeros and `metric` is
            "cosine".
    """
    if isinstance(to, Expression):
        if not holds_vectors(to._tp):
            raise QueryError(f"{of}.{metric}({to}): the values of {to} are no vectors")
        return Distance(metric, of, other=to)
    vector = _vector(f"{of}.{metric}(vector)", to)
    wanted = declared_length(of)
    if wanted not in (None, len(vector)):
        raise QueryError(f"{of} has vectors of {wanted} numbers, and {metric}() is given one of {len(vector)}")
    if metric == "cosine" and not vector.any():
        raise QueryError(f"{of}.cosine(vector): a vector of zeros has no direction, so no cosine")
    return Distance(metric, of, vector)


def _vector(place: str, given: Any) -> NDArray[float64]:
    """`given` as an array of its own."""
    import numpy as np

    if given is None or isinstance(given, str | bytes | dict | set):
        raise QueryError(f"{place} takes a list or an array of numbers, not {called(given)}")
    try:
        found = np.asarray(given if isinstance(given, list | tuple) or hasattr(given, "__array__") else list(given))
    except (TypeError, ValueError) as problem:
        raise QueryError(f"{place} takes a list or an array of numbers, not {called(given)}: {problem}") from None
    if found.ndim != 1 or not len(found):
        raise QueryError(f"{place} takes numbers of one axis, at least one, not an array of shape {found.shape}")
    if found.dtype.kind not in _NUMBERS:
        raise QueryError(f"{place} takes numbers, not {told(given)} (an array of {found.dtype})")
    vector = found.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(vector))
    if len(wrong):
        at = int(wrong[0])
        raise QueryError(f"{place}: number {at} of the vector is {vector[at]}, and no distance is known to that")
    return vector


def distance_test(operation: Operation[Any]) -> tuple[Distance, str, float] | None:
    """The distance, the operator and the number of a comparison of a distance to a vector with a number."""
    if operation._operator not in TURNED:
        return None
    one, other = operation._args
    operator = operation._operator
    if isinstance(one, Literal):
        one, other, operator = other, one, TURNED[operator]
    if not isinstance(one, Distance) or one._vector is None or not isinstance(other, Literal):
        return None
    value = other._value
    if type(value) is float or (type(value) is int and -_EXACT < value < _EXACT):
        return one, operator, float(value)
    return None


def declared_length(of: Expression[Any]) -> int | None:
    """How many numbers a field says that its vectors have; None if it does not."""
    if not isinstance(of, Field) or len(of._path) != 1:
        return None
    info = getattr(of._cls, "__pydantic_fields__", {}).get(of._path[0])
    vector = None if info is None else vector_in(info.annotation, info.metadata)
    return None if vector is None else vector.length


def holds_vectors(tp: Any) -> bool:
    """Whether values of `tp` may be vectors: arrays, lists or tuples of numbers, or of what is not known."""
    return any(_is_vector(arm) for arm in arms(tp))


def _is_vector(arm: Any) -> bool:
    if arm is Any:
        return True
    origin = get_origin(arm) or arm
    if not isinstance(origin, type):
        return False
    if origin.__module__ == "numpy" and origin.__name__ == "ndarray":
        return True
    if origin.__name__ not in ("list", "tuple", "Sequence"):
        return False
    items = [each for each in get_args(arm) if each is not ...]
    return all((kinds_of(each) or {"number"}) <= {"number"} for each in items)

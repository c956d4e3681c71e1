"""`Expression`: what a query says of a row, as a tree. `Player.level > 50` is one.

Here is what a user calls. `nodes` has the kinds of expressions, `building` checks and builds them, and `evaluate` gives
their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NoReturn, TypeVar

from ...errors import QueryError, told

T = TypeVar("T")


built: dict[str, Callable[..., Any]] = {}
"""What makes expressions of others, by name. The modules of these functions and classes enter them."""

B = TypeVar("B", bound=Callable[..., Any])


def builds(maker: B) -> B:
    """Enter a function or class in `built`."""
    built[maker.__name__] = maker
    return maker


E = TypeVar("E")


class Expression(Generic[T]):
    """A value of each row of a query: a field, a constant, or what is computed of them.

    Operators build other expressions: `==` `!=` `<` `<=` `>` `>=`, `+` `-` `*` `/` `//` `%` `**`, and for conditions
    `&` `|` `~`. An attribute leads into a nested model (`World.settings.difficulty`), a date or a time (`.year`), or an
    enum (`.value`), brackets into a dictionary or a list. None is a value as any other: `== None` finds it. Ordering
    comparisons with None are false, arithmetic with it is None.

    Raises:
        QueryError: a field that is not known, a comparison of what can never be equal, or a use as true or false.
    """

    __slots__ = ()
    __array_ufunc__ = None  # numpy's numbers leave their operators to this class
    __iter__ = None
    __hash__ = object.__hash__
    _tp: Any

    def __eq__(self, other: object) -> Any:
        return built["compared"]("==", self, other)

    def __ne__(self, other: object) -> Any:
        return built["compared"]("!=", self, other)

    def __lt__(self, other: Any) -> Any:
        return built["compared"]("<", self, other)

    def __le__(self, other: Any) -> Any:
        return built["compared"]("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return built["compared"](">", self, other)

    def __ge__(self, other: Any) -> Any:
        return built["compared"](">=", self, other)

    def __add__(self, other: Any) -> Any:
        return built["computed"]("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return built["computed"]("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return built["computed"]("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return built["computed"]("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return built["computed"]("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return built["computed"]("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return built["computed"]("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return built["computed"]("/", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return built["computed"]("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return built["computed"]("//", other, self)

    def __mod__(self, other: Any) -> Any:
        return built["computed"]("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return built["computed"]("%", other, self)

    def __pow__(self, other: Any) -> Any:
        return built["computed"]("**", self, other)

    def __rpow__(self, other: Any) -> Any:
        return built["computed"]("**", other, self)

    def __neg__(self) -> Any:
        return built["Operation"]("neg", (self,), self._tp)

    def __abs__(self) -> Any:
        return built["Operation"]("abs", (self,), self._tp)

    def __and__(self, other: Any) -> Any:
        return built["joined"]("and", self, other)

    def __rand__(self, other: Any) -> Any:
        return built["joined"]("and", other, self)

    def __or__(self, other: Any) -> Any:
        return built["joined"]("or", self, other)

    def __ror__(self, other: Any) -> Any:
        return built["joined"]("or", other, self)

    def __invert__(self) -> Any:
        return built["Logical"]("not", (built["condition"](self),))

    def __bool__(self) -> NoReturn:
        raise QueryError(
            f"{self} stands for a value of each row of a query, and is neither true nor false: write & | ~ in place of "
            "and, or, not; between(a, b) in place of a < x < b; in_(values) in place of in; or ask an object, not its "
            "class"
        )

    def __contains__(self, other: object) -> NoReturn:
        raise QueryError(f"write {self}.contains({told(other)}) in place of in")

    def __len__(self) -> NoReturn:
        raise QueryError(f"write len_({self}) in place of len()")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return built["attribute"](self, name)

    def __getitem__(self, key: Any) -> Any:
        return built["element"](self, key)

    def in_(self, values: Iterable[Any]) -> Any:
        """Whether the value is one of `values`, as Python's `in` says.

        Raises:
            QueryError: `values` is no iterable, or holds what the value never equals.
        """
        return built["member"](self, values)

    def not_in(self, values: Iterable[Any]) -> Any:
        """Whether the value is none of `values`."""
        return ~self.in_(values)

    def between(self, low: Any, high: Any) -> Any:
        """Whether the value lies from `low` to `high`, both included."""
        return (self >= low) & (self <= high)

    def is_(self, value: Any) -> Any:
        """Whether the value is None, True or False: the same as `==`."""
        return built["compared"]("==", self, value)

    def is_not(self, value: Any) -> Any:
        """Whether the value is another one: the same as `!=`."""
        return built["compared"]("!=", self, value)

    def like(self, pattern: str) -> Any:
        """Whether the whole text fits `pattern`: `%` is any text, `_` one character, a backslash takes them as is."""
        return built["text_test"]("like", self, pattern)

    def ilike(self, pattern: str) -> Any:
        """As `like(pattern)`, whatever the case of letters."""
        return built["text_test"]("ilike", self, pattern)

    def startswith(self, part: str) -> Any:
        """Whether the text begins with `part`."""
        return built["text_test"]("startswith", self, part)

    def endswith(self, part: str) -> Any:
        """Whether the text ends with `part`."""
        return built["text_test"]("endswith", self, part)

    def regexp(self, pattern: str) -> Any:
        """Whether the regular expression `pattern` is found anywhere in the text, as `re.search` says."""
        import re

        try:
            re.compile(pattern)
        except (re.error, TypeError) as problem:
            raise QueryError(f"{self}.regexp({told(pattern)}): {problem}") from None
        return built["text_test"]("regexp", self, pattern)

    def contains(self, part: Any) -> Any:
        """Whether `part` is in the text, or among the items of the list, set or dictionary."""
        return built["containing"](self, part)

    def matches(self, words: str) -> Any:
        """Whether the text, or the texts of the list together, have all `words`, whatever their case and accents.

        `red wine OR ros* -sweet` looks for `red` and `wine`, or for a word that begins with `ros`, without `sweet`.

        Raises:
            QueryError: the value is no text, or `words` is none, or asks for words next to each other by quotes.
        """
        return built["matching_words"](self, words)

    def bm25(self, words: str, *, k1: float = 1.2, b: float = 0.75) -> Any:
        """How well the text fits `words`, a float: 0.0 without any of them, larger for the better rows.

        It counts the words that `matches(words)` looks for: rare words weigh more, and so does a word that stands often
        in a short text. This is BM25 (Robertson and Spärck Jones) as SQLite's FTS5 computes it, which gives its
        negative. The rows of the whole collection tell how rare a word is, whatever the conditions are.

        Args:
            words: as for `matches`.
            k1: how much more a word counts that stands more often, 0 or more.
            b: how much less it counts in a longer text, from 0 to 1.

        Raises:
            QueryError: as for `matches`; `k1` or `b` is out of range.
        """
        return built["score"](self, words, k1, b)

    def any(self, condition: Any = None) -> Any:
        """As `any_(self, condition)`. Without a condition: whether there is any item."""
        return built["quantified"]("any", self, condition)

    def all(self, condition: Any) -> Any:
        """As `all_(self, condition)`."""
        return built["quantified"]("all", self, condition)

    def asc(self) -> Any:
        """This value as a key to order by, the smallest first, and None before all."""
        return built["Ordering"](self)

    def desc(self) -> Any:
        """This value as a key to order by, the largest first, and None after all."""
        return built["Ordering"](self, descending=True)

    def nulls_first(self) -> Any:
        """This value as a key to order by, None before all."""
        return built["Ordering"](self).nulls_first()

    def nulls_last(self) -> Any:
        """This value as a key to order by, None after all."""
        return built["Ordering"](self).nulls_last()

    def label(self, name: str) -> Any:
        """This value under another name in the rows of a result."""
        return built["labelled"](self, name)

    def _parts(self) -> tuple[Expression[Any], ...]:
        """The expressions that this one is computed of."""
        return ()

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        """This expression, computed of other parts."""
        return self

    def _identity(self) -> Any:
        """What is equal for expressions that say the same."""
        return id(self)

    @property
    def _name(self) -> str:
        """What the value is called in the rows of a result."""
        return str(self)

    def __repr__(self) -> str:
        return str(self)


def found_in(expression: Expression[Any], kind: type[E]) -> Iterator[E]:
    """The expressions of a kind that stand in an expression, itself included."""
    if isinstance(expression, kind):
        yield expression
    for part in expression._parts():
        yield from found_in(part, kind)


def has(expression: Expression[Any], kind: type[Any]) -> bool:
    """Whether an expression of a kind stands in an expression, or is it."""
    return next(found_in(expression, kind), None) is not None

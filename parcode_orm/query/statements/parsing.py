"""Conditions, columns and orders written as text: `level > 50 and guild == "g7"`.

The text is Python's for expressions, and only some of it: names and dots, constants, comparisons and their chains,
`in`, `is None`, `and`, `or`, `not`, `+ - * / // %`, brackets, and the functions of `FUNCTIONS`. The result is the same
expression as that of `Player.level > 50` in Python. The text is never evaluated.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from ...errors import told
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...model.annotations import arms
from ...model.keys import key_type
from ...model.kinds import NONE, fields_of, item_type, kinds_of, kinds_of_value
from ...model.literals import meant
from ..expressions.building import Method, attribute, literal
from ..expressions.building import condition as checked_condition
from ..expressions.expressions import Expression
from ..expressions.functions import all_, any_, func, len_, row_condition
from ..expressions.nodes import Item, Key, Label, Operation, Ordering
from ..expressions.selectables import is_entity_class, model_of
from .syntax import MAX_DEPTH, Syntax

LONG = 100  # characters of a name in a message


def condition(rows: Any, text: str) -> Expression[bool]:
    """The condition that `text` spells, as `select(rows).where()` takes it.

    Args:
        rows: a collection or a class, as `select` takes it: its fields are the names in the text.
        text: such as `level > 50 and guild == "g7"`.

    Raises:
        QueryError: the text spells no condition; the error has the position in the text.
    """
    builder = _Builder(rows, text)
    node = builder.parsed()
    with builder.placed(node):
        return row_condition(checked_condition(builder.build(node)))


def columns(rows: Any, text: str) -> dict[str, Expression[Any]]:
    """The values that `text` spells, with commas between them, by the text of each.

    Args:
        rows: as for `condition`.
        text: such as `name, level * 2`.

    Raises:
        QueryError: as `condition` raises it.
    """
    builder = _Builder(rows, text)
    return {builder.source(node): builder.value(node) for node in _several(builder.parsed())}


def labelled(values: Mapping[str, Expression[Any]]) -> list[Expression[Any]]:
    """The expressions, labelled with their keys in `values`."""
    return [each if each._name == name else Label(each, name) for name, each in values.items()]


def order(rows: Any, text: str) -> list[Ordering]:
    """The keys to order by that `text` spells: `-level, name`, where - puts the largest first.

    Args:
        rows: as for `condition`.
        text: such as `-level, name`.

    Raises:
        QueryError: as `condition` raises it.
    """
    builder = _Builder(rows, text)
    found = []
    for node in _several(builder.parsed()):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found.append(Ordering(builder.value(node.operand), descending=True))
        else:
            found.append(Ordering(builder.value(node)))
    return found


def _several(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


# -- functions ---------------------------------------------------------------------------------------------------------


class Function(NamedTuple):
    """A function of the language: how it is written, how many arguments it takes, and what it gives."""

    spelling: str
    build: Callable[..., Any]
    least: int = 1
    most: int = 1


def _part(name: str) -> Function:
    return Function(f"{name}(value)", lambda value: _called(attribute(value, name)))


def _called(found: Any) -> Any:
    return found() if isinstance(found, Method) else found


FUNCTIONS: dict[str, Function] = {
    "len": Function("len(value)", len_),
    "startswith": Function("startswith(value, text)", lambda value, text: value.startswith(text), 2, 2),
    "endswith": Function("endswith(value, text)", lambda value, text: value.endswith(text), 2, 2),
    "contains": Function("contains(value, part)", lambda value, part: value.contains(part), 2, 2),
    "like": Function("like(value, pattern)", lambda value, pattern: value.like(pattern), 2, 2),
    "ilike": Function("ilike(value, pattern)", lambda value, pattern: value.ilike(pattern), 2, 2),
    "matches": Function("matches(value, words)", lambda value, words: value.matches(words), 2, 2),
    "bm25": Function("bm25(value, words)", lambda value, words: value.bm25(words), 2, 2),
    "abs": Function("abs(value)", abs),
    "round": Function("round(value, digits)", func.round, 1, 2),
    "coalesce": Function("coalesce(value, ...)", func.coalesce, 1, 20),
    "key": Function("key()", func.key, 0, 0),
    "item": Function("item()", func.item, 0, 0),
    "field": Function('field("name") or field(value, "name")', lambda *_: None, 1, 2),
    "any": Function("any(items, condition)", any_, 2, 2),
    "all": Function("all(items, condition)", all_, 2, 2),
    **{name: _part(name) for name in ("lower", "upper", "strip", "casefold", "year", "month", "day", "hour", "minute",
                                      "second", "weekday", "isoweekday", "date", "total_seconds")},
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_COMPUTE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_OF_NUMBERS: dict[type[ast.operator], str] = {ast.Mult: "*", ast.Mod: "%"}  # a text could become one of any length
_INSTEAD = {
    "true": "True", "false": "False", "null": "None", "none": "None", "nil": "None", "AND": "and", "OR": "or",
    "NOT": "not",
}  # fmt: skip
_OTHERWISE: dict[type[ast.AST], str] = {
    ast.BitAnd: "write and between conditions", ast.BitOr: "write or between conditions",
    ast.Invert: "write not before a condition", ast.Pow: "there are no powers",
    ast.NamedExpr: "write == to compare", ast.JoinedStr: "texts have no f before them",
}  # fmt: skip


# -- the tree of the text ----------------------------------------------------------------------------------------------


class _Builder(Syntax):
    """Builds the expressions of one text, over rows of one kind."""

    def __init__(self, rows: Any, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._keys = _type_of_keys(rows)
        self._item: Expression[Any] = Item(_type_of_rows(rows))

    def value(self, node: ast.expr) -> Expression[Any]:
        """The expression of a part, which must be one."""
        with self.placed(node):
            return literal(self.build(node))

    def build(self, node: ast.expr) -> Any:
        """The expression of a part of the tree; a constant as it is."""
        make = _BUILD.get(type(node))
        if make is None:
            self.refuse(_OTHERWISE.get(type(node), "this is no part of expressions"), node)
        if self._depth >= MAX_DEPTH:
            self.refuse(f"more than {MAX_DEPTH} expressions in each other", node)
        self._depth += 1
        try:
            with self.placed(node):
                return make(self, node)
        finally:
            self._depth -= 1

    def _constant(self, node: ast.Constant) -> Any:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
            self.refuse("a number of more than 64 bits", node)
        if value is Ellipsis or isinstance(value, complex):
            self.refuse("this is no constant of expressions", node)
        return value

    def _name(self, node: ast.Name) -> Any:
        return self._field(self._item, node.id, node)

    def _field(self, of: Expression[Any], name: str, node: ast.expr) -> Any:
        known = [each for arm in arms(of._tp) for each in fields_of(arm) or ()]
        if of is self._item and name not in known:
            if name in _INSTEAD:
                self.refuse(f"{name} is no field: write {_INSTEAD[name]}", node)
            if name in FUNCTIONS:
                self.refuse(f"{name} is a function: write {FUNCTIONS[name].spelling}", node)
            known = [each[:LONG] for each in known]
            close = get_close_matches(name[:LONG], known, n=3, cutoff=0.6)
            listed = f": there is {', '.join(known[:20])}; a text stands in quotes"
            more = f"; did you mean {' or '.join(close)}?" if close else listed
            self.refuse(
                f"there is no field {told(name)}{more if known else ': the rows have none, item() is a row'}", node
            )
        found = attribute(of, name)
        if isinstance(found, Method):
            self.refuse(f"{name} is a function: write {name}(...)", node)
        return found

    def _attribute(self, node: ast.Attribute) -> Any:
        of = self.build(node.value)
        if not isinstance(of, Expression):
            self.refuse("a constant has no fields", node)
        return self._field(of, node.attr, node)

    def _subscript(self, node: ast.Subscript) -> Any:
        of, key = self.build(node.value), node.slice
        if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub) and isinstance(key.operand, ast.Constant):
            place: Any = self._negative(key)
        elif isinstance(key, ast.Constant):
            place = self._constant(key)
        else:
            self.refuse("in brackets stands a constant: a position or a key", key)
        if not isinstance(of, Expression):
            self.refuse("a constant has no items", node)
        return of[place]

    def _negative(self, node: ast.UnaryOp) -> Any:
        value = self.build(node.operand)
        if not isinstance(value, Expression) and (type(value) not in (int, float)):
            self.refuse(f"- stands before a number, not before {told(value)}", node)
        if isinstance(value, int) and value > 1 << 63:
            self.refuse("a number of more than 64 bits", node)
        return -value

    def _unary(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.USub):
            return self._negative(node)
        if not isinstance(node.op, ast.Not):
            self.refuse(_OTHERWISE.get(type(node.op), "this is no part of expressions"), node)
        return ~checked_condition(self._truth(node.operand))

    def _binary(self, node: ast.BinOp) -> Any:
        compute = _COMPUTE.get(type(node.op))
        if compute is None:
            self.refuse(_OTHERWISE.get(type(node.op), "this is no part of expressions"), node)
        left, right = self.build(node.left), literal(self.build(node.right))
        if type(node.op) in _OF_NUMBERS:
            for each in (literal(left), right):
                if not _is_number(each):
                    self.refuse(f"{_OF_NUMBERS[type(node.op)]} takes numbers, and {each} is not known to be one", node)
        return compute(left, right)

    def _logical(self, node: ast.BoolOp) -> Any:
        parts = [checked_condition(self._truth(each)) for each in node.values]
        found = parts[0]
        for each in parts[1:]:
            found = found & each if isinstance(node.op, ast.And) else found | each
        return found

    def _truth(self, node: ast.expr) -> Any:
        found = self.build(node)
        if isinstance(found, bool):
            self.refuse("a constant is no condition", node)
        return found

    def _comparison(self, node: ast.Compare) -> Any:
        sides = [node.left, *node.comparators]
        found = [self._compared(*each) for each in zip(sides, node.ops, sides[1:], strict=False)]
        whole = found[0]
        for each in found[1:]:
            whole = whole & each
        return whole

    def _compared(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> Any:
        if isinstance(sign, ast.In | ast.NotIn):
            found = self._member(left, right)
            return ~found if isinstance(sign, ast.NotIn) else found
        one, other = self.build(left), self.build(right)
        if isinstance(sign, ast.Is | ast.IsNot):
            if other is not None and not isinstance(other, bool):
                self.refuse("is takes None, True or False: write ==", right)
            sign = ast.Eq() if isinstance(sign, ast.Is) else ast.NotEq()
        first, second = self._fitted(one, other), self._fitted(other, one)
        with self.placed(right):
            return _COMPARE[type(sign)](first, literal(second))

    def _member(self, left: ast.expr, right: ast.expr) -> Any:
        value = self.build(left)
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            values = [self._fitted(self.build(each), value) for each in right.elts]
            return literal(value).in_(values)
        of = self.build(right)
        if not isinstance(of, Expression):
            self.refuse('after in stands a list of constants, ["a", "b"], or a field', right)
        return of.contains(self._fitted_to(value, item_type(of._tp)))

    def _fitted(self, value: Any, other: Any) -> Any:
        """A constant as a value of the type of what it is compared with."""
        if isinstance(value, Expression) or not isinstance(other, Expression):
            return value
        return self._fitted_to(value, self._keys if isinstance(other, Key) else other._tp)

    def _fitted_to(self, value: Any, tp: Any) -> Any:
        if isinstance(value, Expression) or value is None:
            return value
        kinds, own = kinds_of(tp), kinds_of_value(value) or frozenset()
        if kinds is not None and kinds & own:
            return value
        _, *others = meant(value, tp)
        return others[0] if others else value

    def _call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
            function = FUNCTIONS[node.func.attr]
            self.refuse(f"functions stand before their values: {function.spelling}", node)
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            self.refuse(f"there is no such function: functions are {', '.join(FUNCTIONS)}", node)
        name, function = node.func.id, FUNCTIONS[node.func.id]
        if node.keywords or any(isinstance(each, ast.Starred) for each in node.args):
            self.refuse(f"{name} takes plain arguments: {function.spelling}", node)
        if not function.least <= len(node.args) <= function.most:
            self.refuse(f"{name} has {len(node.args)} arguments here: write {function.spelling}", node)
        if name in ("any", "all"):
            return self._quantified(node.args, function)
        if name == "field":
            return self._named(node)
        if name in ("key", "item"):
            return self._item if name == "item" else function.build()
        first, *others = map(self.build, node.args)
        if not isinstance(first, Expression) and name != "coalesce":
            self.refuse(f"{name} is of a field: {function.spelling}", node)
        if name == "round" and others and not (type(others[0]) is int and -20 <= others[0] <= 20):
            self.refuse("round takes a number of digits, -20 to 20", node)
        if name == "contains":
            others = [self._fitted_to(others[0], item_type(first._tp))]
        return function.build(first, *others)

    def _named(self, node: ast.Call) -> Any:
        *of, last = node.args
        if not isinstance(last, ast.Constant) or not isinstance(last.value, str):
            self.refuse(f"the name is a text: {FUNCTIONS['field'].spelling}", last)
        return self._field(self.value(of[0]) if of else self._item, last.value, last)

    def _quantified(self, args: Sequence[ast.expr], function: Function) -> Any:
        items = self.value(args[0])
        outside = self._item, self._keys
        self._item, self._keys = Item(item_type(items._tp)), Any
        try:
            inside = checked_condition(literal(self.build(args[1])))
        finally:
            self._item, self._keys = outside
        return function.build(items, inside)


_BUILD: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Constant: _Builder._constant,
    ast.Name: _Builder._name,
    ast.Attribute: _Builder._attribute,
    ast.Subscript: _Builder._subscript,
    ast.UnaryOp: _Builder._unary,
    ast.BinOp: _Builder._binary,
    ast.BoolOp: _Builder._logical,
    ast.Compare: _Builder._comparison,
    ast.Call: _Builder._call,
}


def _is_number(value: Expression[Any]) -> bool:
    """Whether all values of an expression are known to be numbers or durations, or None."""
    if isinstance(value, Operation) and value._operator == "coalesce":
        return all(map(_is_number, value._args))
    kinds = kinds_of(value._tp)
    return kinds is not None and kinds <= {"number", "duration", NONE}


def _type_of_rows(rows: Any) -> Any:
    """The type of rows: their class, where they have one."""
    model = rows if isinstance(rows, type) else model_of(rows)
    if model is not None:
        return getattr(model, "_p_model_", model)
    items = rows._p_items_ if isinstance(rows, LazyList | LazyMap) else None
    return Any if items is None else items.args[-1]


def _type_of_keys(rows: Any) -> Any:
    """The type of the keys of rows; `Any` where it is not known."""
    if is_entity_class(rows):
        return key_type(rows)
    if isinstance(rows, LazyMap):
        items = rows._p_items_
        return Any if items is None else items.args[0]
    types = set(map(type, rows)) if isinstance(rows, Mapping) else set()
    return types.pop() if len(types) == 1 else Any

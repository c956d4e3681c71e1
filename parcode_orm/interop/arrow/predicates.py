"""Conditions of Polars as conditions of a statement.

A statement may find more rows than Polars wants, which applies its conditions once more, but none less. What has no
counterpart here is left out. Polars counts NaN as larger than all numbers, so `>` of floats becomes a negated `<=`.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

from ...codec.schema import describe
from ...codec.types.compile import struct_for
from ...query.expressions.building import attribute
from ...query.expressions.functions import and_, not_, or_
from ...query.expressions.nodes import Item

_COMPARE = {
    "Eq": "__eq__", "NotEq": "__ne__", "Lt": "__lt__", "LtEq": "__le__", "Gt": "__gt__", "GtEq": "__ge__",
}  # fmt: skip
_TURNED = {"Eq": "Eq", "NotEq": "NotEq", "Lt": "Gt", "LtEq": "GtEq", "Gt": "Lt", "GtEq": "LtEq"}
_WITHOUT_NAN = {"Gt": "__le__", "GtEq": "__lt__"}  # what is negated, of floats
EXACT = 1 << 53  # ints up to here are floats of the same value


def condition_of(predicate: Any, model: type[Any]) -> Any:
    """A condition that each row fulfils for which `predicate`, an expression of Polars, is true; None without one."""
    described = describe(struct_for(model))
    nodes = dict(described["structs"][described["root"]["struct"]]["fields"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format of serialized expressions may change: then nothing is found in it
        try:
            tree = json.loads(predicate.meta.serialize(format="json"))
        except Exception:  # expressions that hold functions of Python have no JSON
            return None
    return _Conditions(model, nodes).of(tree, partly=True)


class _Conditions:
    def __init__(self, model: type[Any], nodes: dict[str, Any]) -> None:
        self._item: Item[Any] = Item(model)
        self._nodes = nodes

    def of(self, tree: Any, *, partly: bool) -> Any:
        """The condition; None for what has none. `partly`: a part of what is joined by `&` will do."""
        if not isinstance(tree, dict) or len(tree) != 1:
            return None
        ((kind, body),) = tree.items()
        if kind == "Function" and isinstance(body, dict):
            return self._function(body)
        if kind != "BinaryExpr":
            return None
        operator = body.get("op")
        if operator in ("And", "LogicalAnd", "Or", "LogicalOr"):
            is_and = operator.endswith("And")
            sides = [self.of(body[side], partly=partly and is_and) for side in ("left", "right")]
            known = [each for each in sides if each is not None]
            if len(known) == 2:
                return and_(*known) if is_and else or_(*known)
            return known[0] if known and is_and and partly else None
        return self._comparison(operator, body)

    def _function(self, body: dict[str, Any]) -> Any:
        inputs, function = body.get("input", []), body.get("function")
        if function == {"Boolean": "Not"} and len(inputs) == 1:
            inner = self.of(inputs[0], partly=False)
            return None if inner is None else not_(inner)
        return None

    def _comparison(self, operator: str, body: dict[str, Any]) -> Any:
        left, right = body["left"], body["right"]
        if "Literal" in left:
            left, right, operator = right, left, _TURNED.get(operator, "")
        if operator not in _COMPARE or "Column" not in left or "Literal" not in right:
            return None
        name, value = left["Column"], _literal(right["Literal"])
        node = self._nodes.get(name)
        kind = node.get("optional") if isinstance(node, dict) else node
        fits = {
            "int": type(value) is int,
            "text": type(value) is str,
            "float": type(value) is float or (type(value) is int and abs(value) <= EXACT),
        }
        if not isinstance(kind, str) or not fits.get(kind) or value != value:
            return None
        field = attribute(self._item, name)
        if kind == "float" and operator in _WITHOUT_NAN:
            return not_(getattr(field, _WITHOUT_NAN[operator])(value))
        return getattr(field, _COMPARE[operator])(value)


def _literal(literal: Any) -> Any:
    """The number or text of a literal; None for others."""
    while isinstance(literal, dict) and len(literal) == 1:
        (literal,) = literal.values()
    return literal if type(literal) in (int, float, str) else None

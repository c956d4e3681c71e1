"""Queries: expressions, `select`, and what a statement gives."""

from .expressions import Expression
from .functions import all_, any_, asc, col, desc, func, len_
from .plan import Plan, explain
from .result import Result, ScalarResult
from .statement import Select, select

__all__ = [
    "Expression", "Plan", "Result", "ScalarResult", "Select", "all_", "any_", "asc", "col", "desc", "explain", "func",
    "len_", "select",
]  # fmt: skip

"""Queries: expressions, `select`, and what a statement gives."""

from .expressions import Expression
from .functions import all_, any_, asc, col, desc, func, len_
from .result import Result, ScalarResult
from .statement import Select, select

__all__ = [
    "Expression", "Result", "ScalarResult", "Select", "all_", "any_", "asc", "col", "desc", "func", "len_", "select",
]  # fmt: skip

"""Queries: expressions, `select`, and what a statement gives."""

from .aliases import aliased
from .cases import case
from .changes import Delete, Update, delete, update
from .compound import except_, intersect, union, union_all
from .expressions import Expression
from .functions import all_, and_, any_, asc, cast, col, desc, func, len_, not_, or_
from .options import prefetch, raise_lazy
from .plan import Plan, explain
from .result import Result, ScalarResult
from .statement import Select, checked, select
from .subqueries import exists

__all__ = [
    "Delete", "Expression", "Plan", "Result", "ScalarResult", "Select", "Update", "aliased", "all_", "and_", "any_",
    "asc", "case", "cast", "checked", "col", "delete", "desc", "except_", "exists", "explain", "func", "intersect",
    "len_", "not_", "or_", "prefetch", "raise_lazy", "select", "union", "union_all", "update",
]  # fmt: skip

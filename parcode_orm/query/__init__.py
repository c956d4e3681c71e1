"""Queries: expressions, `select`, and what a statement gives."""

from .expressions.aliases import aliased
from .expressions.cases import case
from .expressions.expressions import Expression
from .expressions.functions import all_, and_, any_, asc, cast, col, desc, func, len_, not_, or_
from .nested.compound import except_, intersect, union, union_all
from .nested.subqueries import exists
from .running.plan import Plan, explain
from .running.result import Result, ScalarResult
from .running.update_delete import Delete, Update, delete, update
from .statements.options import prefetch, raise_lazy
from .statements.statement import Select, checked, select

__all__ = [
    "Delete", "Expression", "Plan", "Result", "ScalarResult", "Select", "Update", "aliased", "all_", "and_", "any_",
    "asc", "case", "cast", "checked", "col", "delete", "desc", "except_", "exists", "explain", "func", "intersect",
    "len_", "not_", "or_", "prefetch", "raise_lazy", "select", "union", "union_all", "update",
]  # fmt: skip

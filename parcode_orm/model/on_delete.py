"""`on_delete`: what becomes of the references in a field if their target is deleted."""

from __future__ import annotations

from typing import Any, Literal, get_args

from parcode_orm.errors import told

__all__ = ["OnDelete", "Rule", "marker_of", "rule_of"]

Rule = Literal["restrict", "cascade", "null"]
RULES: tuple[Rule, ...] = get_args(Rule)


class OnDelete:
    """The rule of a field, in its metadata."""

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __repr__(self) -> str:
        return f"on_delete={self.rule!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OnDelete) and self.rule == other.rule

    def __hash__(self) -> int:
        return hash(self.rule)


def marker_of(rule: Any) -> OnDelete:
    """The marker of a field with `on_delete=rule`.

    Raises:
        TypeError: there is no such rule.
    """
    if rule not in RULES:
        raise TypeError(f"on_delete is {', '.join(map(repr, RULES))}, and not {told(rule)}")
    return OnDelete(rule)


def declared(info: Any) -> Rule | None:
    """The rule that a field declares; None where it declares none. `info` is its `FieldInfo`."""
    found = [item.rule for item in info.metadata if isinstance(item, OnDelete)]
    return found[-1] if found else None


def rule_of(cls: Any, name: str) -> Rule:
    """The rule for the references in a field of a class; "restrict" where it declares none."""
    info = getattr(cls, "__pydantic_fields__", {}).get(name)
    return (None if info is None else declared(info)) or "restrict"

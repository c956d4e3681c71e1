"""Where references stand in the objects of a class, and what is refused of `on_delete`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.boundary import ChunkColumn
from parcode_orm.codec.columns.containers import ListColumn, MapColumn
from parcode_orm.codec.columns.lenient import LenientColumn
from parcode_orm.codec.columns.poly import subclasses
from parcode_orm.codec.columns.refs import RefColumn
from parcode_orm.codec.columns.tuples import UnionColumn
from parcode_orm.codec.columns.wrappers import Around, OptionalColumn
from parcode_orm.codec.structs import Struct
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.compiled import below
from parcode_orm.errors import UnsupportedTypeError
from parcode_orm.model.annotations import arms
from parcode_orm.model.base import on_complete
from parcode_orm.model.keys import key_fields
from parcode_orm.model.on_delete import Rule, declared, rule_of

SHRINKING = frozenset({"list", "set", "dict"})  # collections whose items can be taken out


class Place(NamedTuple):
    """References to one class below a field of a root or an entity.

    `field`: the field of the root or entity. `called`: the name of the class. `rule`: what the innermost field around
    the references says of them. `shape`: "one" for a field that is the reference, "items" for a list or set of them
    in the row, else "below".
    """

    field: str
    called: str
    rule: Rule
    shape: str


def places_of(cls: Any) -> list[Place]:
    """Where references stand in the objects of a model, by field."""
    found: dict[Place, None] = {}
    for name, (_, column) in struct_for(cls).places.items():
        for ref, rule in _refs(column, rule_of(cls, name), set()):
            cascades = rule == "cascade" and not (ref in _own(column) and key_fields(cls))
            found[Place(name, ref.called, "restrict" if cascades else rule, _shape(column, ref))] = None
    return list(found)


def _refs(column: Column, rule: Rule, seen: set[tuple[int, Rule]]) -> Iterator[tuple[RefColumn, Rule]]:
    """The columns of references in `column`, each with its rule; `rule` is that of the field."""
    if (id(column), rule) in seen:
        return
    seen.add((id(column), rule))
    if isinstance(column, RefColumn):
        yield column, rule
    elif isinstance(column, Struct):
        for each in _structs(column):
            for name, part in each.plan.fields:
                yield from _refs(part, rule_of(each.plan.cls, name), seen)
            others = [private for _, private in each.plan.privates]
            for part in others if each.plan.extra is None else [*others, each.plan.extra]:
                yield from _refs(part, "restrict", seen)
    else:
        for part in column.parts():
            yield from _refs(part, rule, seen)


def _structs(column: Struct) -> Iterator[Struct]:
    """A struct column, and those of the subclasses whose objects may stand in its place."""
    yield column
    cls, compile_class = column.plan.cls, column.plan.struct_for
    if compile_class is not None and issubclass(cls, BaseModel):
        for each in subclasses(cls):
            if each is not cls:
                with suppress(UnsupportedTypeError):
                    yield compile_class(each)


def _own(column: Column) -> list[RefColumn]:
    """The columns of references in a field that no other field is around."""
    if isinstance(column, RefColumn):
        return [column]
    if isinstance(column, Struct):
        return []
    return [found for part in column.parts() for found in _own(part)]


def _shape(column: Column, ref: RefColumn) -> str:
    bare = _bare(column)
    if bare is ref:
        return "one"
    return "items" if isinstance(bare, ListColumn) and _bare(bare.item) is ref else "below"


def _bare(column: Column) -> Column:
    while isinstance(column, OptionalColumn | LenientColumn):
        column = column.inner
    return column


# -- what is refused ---------------------------------------------------------------------------------------------------


def check_rules(cls: Any) -> None:
    """Raise UnsupportedTypeError where `on_delete` does not fit a field of `cls`, or of a class inside it."""
    for struct in below(struct_for(cls)):
        owner = struct.plan.cls
        for name, info in getattr(owner, "__pydantic_fields__", {}).items():
            rule = declared(info)
            if rule is not None and name in struct.places:
                _check(owner, name, rule, struct.places[name][1], info)


def _check(owner: Any, name: str, rule: Rule, column: Column, info: FieldInfo) -> None:
    place = f"{owner.__qualname__}.{name}: on_delete={rule!r}"
    if not _own(column):
        raise UnsupportedTypeError(f"{place} is for fields that hold references, of type Ref[T] or a collection of it")
    if rule == "cascade" and not key_fields(owner):
        raise UnsupportedTypeError(
            f"{place} deletes the entity that refers, and {owner.__qualname__} has no Key(): write "
            "on_delete='null' or 'restrict'"
        )
    if rule == "null" and not (_may_be_none(column) or type(None) in arms(info.annotation)):
        raise UnsupportedTypeError(
            f"{place} sets the field to None, or takes the reference out of a list, set or dictionary, and neither is "
            f"possible here: write {name}: Ref[T] | None"
        )
    if rule == "null" and (_least(info.metadata) or _wants_items(info.annotation)):
        raise UnsupportedTypeError(
            f"{place} takes references out, and min_length keeps some of them: write on_delete='restrict', "
            "or no min_length"
        )


def _wants_items(annotation: Any) -> bool:
    """Whether an annotation names a collection that must not be empty."""
    if hasattr(annotation, "__metadata__"):  # Annotated[collection, Field(min_length=1)]
        inner = annotation.__origin__
        return (bool(get_args(inner)) and _least(annotation.__metadata__)) or _wants_items(inner)
    return any(map(_wants_items, get_args(annotation)))


def _least(metadata: Iterable[Any]) -> bool:
    return any(
        getattr(each, "min_length", None) or (isinstance(each, FieldInfo) and _least(each.metadata))
        for each in metadata
    )


def _may_be_none(column: Column) -> bool:
    """Whether each reference in a column can be replaced by None, or taken out of its collection."""
    if isinstance(column, RefColumn):
        return False
    if isinstance(column, OptionalColumn) and isinstance(_bare(column), RefColumn):
        return True
    if isinstance(column, ListColumn | MapColumn):
        item = column.item if isinstance(column, ListColumn) else column.value
        return column.name in SHRINKING and (isinstance(_bare(item), RefColumn) or _may_be_none(item))
    if isinstance(column, UnionColumn):
        return all(_may_be_none(arm) for _, arm in column.arms if _own(arm))
    if isinstance(column, Around | ChunkColumn):
        return _may_be_none(column.inner)
    return not _own(column)


on_complete.append(check_rules)

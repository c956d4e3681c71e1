"""The state of a project: what its models were at one point of the history of its migrations."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import GenericAlias
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ..codec.refs import Ref
from ..codec.types.marks import Mark
from ..errors import MigrationError, told
from ..model.keys import IndexMark, KeyMark
from .types import Member, Named, names_held, names_in, referred_names, replaced, with_args

UNSET: Any = PydanticUndefined  # a field without a default
EXTRA = "__pydantic_extra__"
Marker = Mark | KeyMark | IndexMark


@dataclass(frozen=True)
class Field:
    """A field of a model at the time of a migration.

    Args:
        type: its type; classes of the project stand in it as `Named`.
        mark: `Chunk()`, `ShardedMap()`, `Key()` or `Index()`, or None.
        default: what objects get that lack the field.
        default_factory: makes that, for each object.
    """

    type: Any
    mark: Any = None
    default: Any = UNSET
    default_factory: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", replaced(self.type, Named))  # `A | None` and `Optional[A]` are one
        if isinstance(self.mark, FieldInfo):
            marks = [each for each in self.mark.metadata if isinstance(each, Marker)]
            object.__setattr__(self, "mark", marks[-1] if marks else None)
        if isinstance(self.mark, IndexMark):
            mark = IndexMark((), self.mark.unique, self.mark.text)  # without the default of the field
            object.__setattr__(self, "mark", mark)
        if self.mark is not None and not isinstance(self.mark, Marker):
            raise TypeError(f"the mark of a field is Chunk(), ShardedMap(), Key() or Index(), not {told(self.mark)}")

    @property
    def has_default(self) -> bool:
        """Whether objects that lack the field get a value."""
        return self.default is not UNSET or self.default_factory is not None

    @property
    def index(self) -> IndexMark | None:
        """The mark of its index, if it has one."""
        return self.mark if isinstance(self.mark, IndexMark) else None

    def same(self, other: Field) -> bool:
        """Whether values are stored alike: in type and mark. Defaults do not count."""
        return same_type(self.type, other.type) and same_mark(self.mark, other.mark)


def same_type(one: Any, other: Any) -> bool:
    """Whether two types are spelled alike: the order of a union's members counts."""
    return bool(one == other) and repr(one) == repr(other)


def same_mark(one: Any, other: Any) -> bool:
    """Whether two marks say the same."""
    return repr(one) == repr(other)


def first_field(path: str) -> str:
    """The field of the class that a path begins with: "offers" of "offers[].price"."""
    return re.split(r"\W", path, maxsplit=1)[0]


class Indexed(NamedTuple):
    """An index in `__indexes__` of a class: the paths of its parts, as they are written there, and its options."""

    fields: tuple[str, ...]
    unique: bool = False
    text: bool = False

    def names(self) -> set[str]:
        """The fields of the class that the paths begin with."""
        return set(map(first_field, self.fields))

    def renamed(self, old: str, new: str) -> Indexed:
        """With another name for a field of the class."""

        def path(each: str) -> str:
            name = first_field(each)
            return new + each[len(name) :] if name == old else each

        return Indexed(tuple(map(path, self.fields)), self.unique, self.text)


@dataclass(frozen=True)
class ModelState:
    """A class of the project.

    `kind` is "model" (a `parcode_orm.Model`), "plain" (a `BaseModel`), "root" (a `RootModel`), "dataclass", "tuple" or
    "enum". `path` is `module:qualname`. `fields` are its own, without those of `bases`; of an enum they are none, and
    `members` has its names and values. `privates` are the types of private attributes and, under `EXTRA`, that of extra
    values, if they have one. `options` are those of Pydantic's configuration, or of the dataclass, that count for what
    is stored. `indexes` are those of `__indexes__`, inherited ones too.
    """

    name: str
    path: str
    kind: str = "model"
    bases: tuple[str, ...] = ()
    fields: dict[str, Field] = field(default_factory=dict)
    privates: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)
    indexes: tuple[Indexed, ...] = ()

    def names(self) -> Iterator[str]:
        """The names of the classes that it mentions."""
        yield from self.bases
        for each in self.fields.values():
            yield from names_in(each.type)
        for tp in self.privates.values():
            yield from names_in(tp)

    def held(self) -> Iterator[str]:
        """The names of the classes of which its objects hold objects, and of its bases."""
        yield from self.bases
        for tp in (*(each.type for each in self.fields.values()), *self.privates.values()):
            yield from names_held(tp)

    def referred(self) -> Iterator[str]:
        """The names of the classes to which references in its objects lead."""
        for tp in (*(each.type for each in self.fields.values()), *self.privates.values()):
            yield from referred_names(tp)

    def with_field(self, name: str, found: Field, after: str | None = None) -> ModelState:
        """With a field, in its place; a new one stands after the field `after` ("": first), or last."""
        if name in self.fields or after is None:
            return replace(self, fields={**self.fields, name: found})
        if after == "":
            return replace(self, fields={name: found, **self.fields})
        fields: dict[str, Field] = {}
        for each, there in self.fields.items():
            fields[each] = there
            if each == after:
                fields[name] = found
        return replace(self, fields={**fields, name: found})

    def described(self) -> str:
        """A text that is equal for equal descriptions. Defaults do not count."""
        fields = [f"{name} {each.type!r} {each.mark!r}" for name, each in self.fields.items()]
        about = [self.name, self.path, self.kind, self.bases, self.privates, self.members, self.indexes]
        rest: list[Any] = [*about, sorted(self.options.items())]
        return "\n".join([*map(repr, rest), *fields])


@dataclass
class ProjectState:
    """The classes of a project, by name. Operations change it in place."""

    models: dict[str, ModelState] = field(default_factory=dict)

    def copy(self) -> ProjectState:
        """Another state of the same classes."""
        return ProjectState(dict(self.models))

    def model(self, name: str) -> ModelState:
        """The class of this name.

        Raises:
            MigrationError: there is none.
        """
        found = self.models.get(name)
        if found is None:
            there = ", ".join(sorted(self.models)) or "none"
            raise MigrationError(f"there is no model {name} at this point of the migrations, which have: {there}")
        return found

    def field(self, model: str, name: str) -> Field:
        """An own field of a class.

        Raises:
            MigrationError: there is no such class or field.
        """
        found = self.model(model).fields.get(name)
        if found is None:
            there = ", ".join(self.model(model).fields) or "none"
            raise MigrationError(f"{model} has no field {name} at this point of the migrations; it has: {there}")
        return found

    def all_fields(self, name: str) -> dict[str, Field]:
        """The fields of a class, with those of its bases, in the order in which Pydantic has them."""
        model = self.model(name)
        found: dict[str, Field] = {}
        for base in reversed(model.bases):
            found |= self.all_fields(base)
        return found | model.fields

    def is_entity(self, name: str) -> bool:
        """Whether objects of the class are stored by their keys."""
        return any(isinstance(each.mark, KeyMark) for each in self.all_fields(name).values())

    def is_a(self, name: str, base: str) -> bool:
        """Whether the class is `base`, or below it."""
        return name == base or any(self.is_a(each, base) for each in self.model(name).bases)

    def closure(self, name: str) -> list[str]:
        """The class, and all that its objects may hold: classes of fields and bases, and what is below them."""
        found, waiting = {}, [name]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found[each] = True
                waiting += self.model(each).held()
                waiting += [other.name for other in self.models.values() if each in other.bases]
        return list(found)

    def deep(self, name: str) -> str:
        """A text that is equal where the class, and all that its objects may hold, is described alike.

        Of the classes to which references lead, their keys count, which stand for them.
        """
        closure = self.closure(name)
        keys = [f"{each} {self.key_types(each)!r}" for each in self.targets(closure)]
        return "\n\n".join(sorted([*(self.model(each).described() for each in closure), *keys]))

    def targets(self, names: Iterable[str]) -> set[str]:
        """The classes to which references in objects of the classes `names` lead."""
        return {target for name in names for target in self.model(name).referred()}

    def key_types(self, name: str) -> list[Any]:
        """The types of the key fields of a class."""
        return [each.type for each in self.all_fields(name).values() if isinstance(each.mark, KeyMark)]

    def keyed(self, tp: Any) -> Any:
        """`tp`, with the types of keys in the place of references to classes that are there."""
        args = get_args(tp)
        if get_origin(tp) is Ref:
            types = self.key_types(args[0].__name__) if args[0].__name__ in self.models else []
            return tp if not types else types[0] if len(types) == 1 else GenericAlias(tuple, tuple(types))
        if not args or get_origin(tp) is Literal:
            return tp
        return with_args(tp, tuple(each if each is ... else self.keyed(each) for each in args))

    def rename(self, old: str, new: str) -> None:
        """Let a class have another name, wherever it is mentioned."""
        names: Callable[[str], Any] = lambda name: Named(new if name == old else name)  # noqa: E731

        def field_of(each: Field) -> Field:
            return dataclasses.replace(each, type=replaced(each.type, names), default=_renamed(each.default, old, new))

        found = {}
        for name, model in self.models.items():
            fields = {key: field_of(each) for key, each in model.fields.items()}
            privates = {key: replaced(tp, names) for key, tp in model.privates.items()}
            bases = tuple(new if base == old else base for base in model.bases)
            model = replace(model, fields=fields, privates=privates, bases=bases)
            if name == old:
                module, _, qualname = model.path.partition(":")
                path = f"{module}:{qualname.rpartition('.')[0]}.{new}" if "." in qualname else f"{module}:{new}"
                model = replace(model, name=new, path=path)
            found[model.name] = model
        self.models = found

    def check(self) -> None:
        """Raise MigrationError if a class mentions one that does not exist."""
        for model in self.models.values():
            for name in model.names():
                if name not in self.models:
                    raise MigrationError(f"{model.name} mentions the class {name}, which no migration has created")


def _renamed(default: Any, old: str, new: str) -> Any:
    return Member(new, default.name) if isinstance(default, Member) and default.enum == old else default


def in_order(models: Iterable[ModelState]) -> list[ModelState]:
    """Classes in their order, but where possible each after the classes that it mentions."""
    known = {model.name: model for model in models}
    found: dict[str, ModelState] = {}
    entered: set[str] = set()
    for model in known.values():
        _enter(model, known, found, entered)
    return list(found.values())


def _enter(model: ModelState, known: dict[str, ModelState], found: dict[str, ModelState], entered: set[str]) -> None:
    """Add a class to `found`, after the classes that it mentions."""
    if model.name in entered:
        return
    entered.add(model.name)
    for name in model.names():
        if name in known:
            _enter(known[name], known, found, entered)
    found[model.name] = model

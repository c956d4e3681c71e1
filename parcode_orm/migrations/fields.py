"""Operations on fields of classes, and on their indexes."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import Any

from ..codec.types.marks import Mark
from ..errors import MigrationError
from ..model.keys import IndexMark, KeyMark
from .operation import OfModel
from .row import Row, Step
from .state import UNSET, Field, Indexed, ProjectState, same_mark, same_type
from .types import Named, admits_none, replaced


def is_looked_up(state: ProjectState, model: str, name: str) -> bool:
    """Whether objects are found by the values of a field: it is a key, or in an index, of the class or one below it."""
    for each in state.models:
        if state.is_a(each, model):
            field = state.all_fields(each).get(name)
            marked = field is not None and isinstance(field.mark, KeyMark | IndexMark)
            if marked or any(name in index.names() for index in state.models[each].indexes):
                return True
    return False


@dataclass(frozen=True)
class _OfField(OfModel):
    """An operation on a field of a class, and of the classes below it."""

    name: str

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change."""
        return step.is_a(model, self.model)

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"{self.model.lower()}_{self.name}"


@dataclass(frozen=True)
class AddField(_OfField):
    """A class has one more field. Objects that are stored get its default.

    Args:
        model: the class.
        name: the field.
        field: what it is.
        after: the field that it stands after; "": it is the first, None: the last.
        preserve_default: whether the class has the default, too; else it is for stored objects alone.
    """

    field: Field
    after: str | None = None
    preserve_default: bool = True

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are: the class has the default, and no row has a value of the name."""
        field = self.field
        constant = field.default_factory in (None, list, dict, set, tuple)
        marked = field.mark is None or isinstance(field.mark, Mark)
        has_default = self.preserve_default and field.has_default
        return has_default and constant and marked and self.name not in stored

    def state_forwards(self, state: ProjectState) -> None:
        """Add the field."""
        model = state.model(self.model)
        if self.name in model.fields:
            raise MigrationError(f"{self.model} has a field {self.name} already")
        field = self.field if self.preserve_default else replace(self.field, default=UNSET, default_factory=None)
        state.models[self.model] = model.with_field(self.name, field, self.after)

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change: not where they had the field from elsewhere."""
        return super().touches(model, step) and self.name not in step.before.all_fields(model)

    def forwards(self, row: Row, step: Step) -> None:
        """Add the default."""
        row.add(self.name, step.default(f"{self.model}.{self.name}", self.field))

    def backwards(self, row: Row, step: Step) -> None:
        """Take the value away."""
        row.remove(self.name)

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Add field {self.name} to {self.model}"


@dataclass(frozen=True)
class RemoveField(_OfField):
    """A class has one field less.

    Args:
        model: the class, a str.
        name: the field, a str.
        default: what objects get when the migration is undone; without it the default that the field had.
    """

    default: Any = UNSET

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are: the value stays in the file until its row is written."""
        return not is_looked_up(before, self.model, self.name)

    def state_forwards(self, state: ProjectState) -> None:
        """Take the field away."""
        state.field(self.model, self.name)
        model = state.model(self.model)
        fields = {name: each for name, each in model.fields.items() if name != self.name}
        state.models[self.model] = replace(model, fields=fields)

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change: not where they have the field from elsewhere."""
        return super().touches(model, step) and self.name not in step.after.all_fields(model)

    def forwards(self, row: Row, step: Step) -> None:
        """Take the value away."""
        row.remove(self.name)

    def backwards(self, row: Row, step: Step) -> None:
        """Add the default."""
        field = step.before.field(self.model, self.name)
        if self.default is not UNSET:
            field = replace(field, default=self.default, default_factory=None)
        elif not field.has_default and admits_none(field.type):
            field = replace(field, default=None)
        row.add(self.name, step.default(f"{self.model}.{self.name}", field))

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Remove field {self.name} of {self.model}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"remove_{self.model.lower()}_{self.name}"


@dataclass(frozen=True)
class RenameField(OfModel):
    """A field of a class has another name.

    Args:
        model: the class, a str.
        old: the name of the field before, a str.
        new: its name from now on, a str.
    """

    old: str
    new: str

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are: the file records the rename, and no row has a value of the new name."""
        return self.new not in stored and not is_looked_up(before, self.model, self.old)

    def state_forwards(self, state: ProjectState) -> None:
        """Rename the field, in its place."""
        state.field(self.model, self.old)
        model = state.model(self.model)
        if self.new in model.fields:
            raise MigrationError(f"{self.model}.{self.old} cannot be renamed: there is a field {self.new} already")
        fields = {self.new if name == self.old else name: each for name, each in model.fields.items()}
        state.models[self.model] = replace(model, fields=fields)
        for each in [each for each in state.models.values() if state.is_a(each.name, self.model)]:
            indexes = tuple(index.renamed(self.old, self.new) for index in each.indexes)
            state.models[each.name] = replace(each, indexes=indexes)

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change."""
        return step.is_a(model, self.model)

    def forwards(self, row: Row, step: Step) -> None:
        """Move the value."""
        row.rename(self.old, self.new)

    def backwards(self, row: Row, step: Step) -> None:
        """Move the value back."""
        row.rename(self.new, self.old)

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Rename field {self.old} of {self.model} to {self.new}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"rename_{self.model.lower()}_{self.old}_{self.new}"


@dataclass(frozen=True)
class AlterField(_OfField):
    """A field of a class has another type or mark.

    Args:
        model: the class.
        name: the field.
        field: what it is from now on.
        forward: makes the new value of the stored one; without it Pydantic validates that as the new type.
        backward: makes the earlier value of the new one.
    """

    field: Field
    forward: Callable[[Any], Any] | None = None
    backward: Callable[[Any], Any] | None = None

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are: each value is one of the new type, and no index is built of it."""
        old, new = before.field(self.model, self.name), self.field
        is_keyed = same_type(before.keyed(old.type), before.keyed(new.type))
        if self.forward is None and is_keyed and same_mark(old.mark, new.mark):
            return True  # a reference is stored as its key
        if self.forward is not None or not (new.mark is None or isinstance(new.mark, Mark)):
            return False
        if is_looked_up(before, self.model, self.name):
            return False
        return same_type(old.type, new.type) or same_type(replaced(old.type | None, Named), new.type)

    def changes_references(self, before: ProjectState) -> bool:
        """Whether references to objects of the class are stored as something else from now on."""
        is_key = [isinstance(each.mark, KeyMark) for each in (before.field(self.model, self.name), self.field)]
        return any(is_key)

    def state_forwards(self, state: ProjectState) -> None:
        """Change the field."""
        state.field(self.model, self.name)
        state.models[self.model] = state.model(self.model).with_field(self.name, self.field)

    def forwards(self, row: Row, step: Step) -> None:
        """Convert the value."""
        old = step.before.field(self.model, self.name)
        row.convert(self.name, old, self.field, step, self.forward, "forward")

    def backwards(self, row: Row, step: Step) -> None:
        """Convert the value back."""
        old = step.before.field(self.model, self.name)
        row.convert(self.name, self.field, old, step, self.backward, "backward")

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Alter field {self.name} of {self.model}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"alter_{self.model.lower()}_{self.name}"


@dataclass(frozen=True)
class OrderFields(OfModel):
    """The own fields of a class stand in another order.

    Args:
        model: the class, a str.
        order: the names of all its own fields, a tuple of str.
    """

    order: tuple[str, ...]

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are: fields are found by their names, a key by the order of its fields."""
        fields = before.model(self.model).fields
        keys = {name for name, field in fields.items() if isinstance(field.mark, KeyMark)}
        return [name for name in self.order if name in keys] == [name for name in fields if name in keys]

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change: where a key's fields have another order, they stand under other keys."""
        return step.is_a(model, self.model) and not self.is_lazy(step.before, ())

    def state_forwards(self, state: ProjectState) -> None:
        """Order the fields."""
        model = state.model(self.model)
        if set(self.order) != set(model.fields):
            raise MigrationError(f"the order of {self.model} names other fields than it has: {', '.join(model.fields)}")
        state.models[self.model] = replace(model, fields={name: model.fields[name] for name in self.order})

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Order the fields of {self.model}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"order_{self.model.lower()}"


# -- indexes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _OfIndex(OfModel):
    """An operation on an index: of the field `name` or, where that is a tuple, of these paths in `__indexes__`."""

    name: str | tuple[str, ...]

    def _mark(self, state: ProjectState, unique: bool | None, there: bool, *, text: bool = False) -> None:
        """Add, change or (`unique` is None) remove the index. `there`: whether it exists before."""
        model = state.model(self.model)
        if isinstance(self.name, tuple):
            state.models[self.model] = replace(model, indexes=self._declared(model.indexes, unique, there, text))
            return
        field = state.field(self.model, self.name)
        if (field.index is not None) is not there or (field.mark is not None and field.index is None):
            raise MigrationError(f"{self.model}.{self.name} has {field.mark or 'no index'}: {self.told()} does not fit")
        changed = replace(field, mark=None if unique is None else IndexMark((), unique, text))
        state.models[self.model] = model.with_field(self.name, changed)

    def _declared(
        self, known: tuple[Indexed, ...], unique: bool | None, there: bool, text: bool
    ) -> tuple[Indexed, ...]:
        found = [each for each in known if each.fields == self.name and each.text is text]
        if bool(found) is not there:
            raise MigrationError(f"{self.model} has {'an' if found else 'no'} index of {self.where}: {self.told()}")
        if not there:
            assert isinstance(self.name, tuple)
            return (*known, Indexed(self.name, bool(unique), text))
        if unique is None:
            return tuple(each for each in known if each not in found)
        return tuple(each._replace(unique=unique) if each in found else each for each in known)

    @property
    def where(self) -> str:
        """The field or the paths, for people."""
        return self.name if isinstance(self.name, str) else ", ".join(self.name)

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"index_{self.model.lower()}_{self.where}"


@dataclass(frozen=True)
class AddIndex(_OfIndex):
    """A field of an entity has an index: an ordered one, a unique one, or one of words.

    Args:
        model: the class.
        name: the field; a tuple of paths for an index in `__indexes__`, `("country", "rating")`, `("address.city",)`.
        unique: whether no two entities may have the same value.
        text: whether it is an index of words.
    """

    unique: bool = False
    text: bool = False

    def state_forwards(self, state: ProjectState) -> None:
        """Add the index."""
        self._mark(state, self.unique, there=False, text=self.text)

    def told(self) -> str:
        """What the operation does, for people."""
        kind = "a unique" if self.unique else "a text" if self.text else "an"
        return f"Add {kind} index of {self.model}.{self.where}"


@dataclass(frozen=True)
class RemoveIndex(_OfIndex):
    """The index of a field of an entity, or of paths, is removed.

    `model`, `name` and `text` are as for `AddIndex`; the field says whether its index is one of words.
    """

    text: bool = False

    def state_forwards(self, state: ProjectState) -> None:
        """Take the index away."""
        self._mark(state, None, there=True, text=self.text)

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Remove the {'text ' * self.text}index of {self.model}.{self.where}"


@dataclass(frozen=True)
class SetUnique(_OfIndex):
    """An index becomes unique, or ordered. A value that occurs twice raises `IntegrityError`.

    `model`, `name` and `unique` are as for `AddIndex`.
    """

    unique: bool = True

    def state_forwards(self, state: ProjectState) -> None:
        """Change the index."""
        self._mark(state, self.unique, there=True)

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Make the index of {self.model}.{self.where} {'unique' if self.unique else 'an ordered one'}"

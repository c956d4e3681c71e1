"""Operations on whole classes, and code of the project."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import Any

from ..errors import MigrationError
from .operation import Operation
from .row import Row, Step
from .state import Field, Indexed, ModelState, ProjectState

Values = dict[str, Any]
PARTS = ("path", "kind", "bases", "privates", "options", "members", "indexes")


@dataclass(frozen=True)
class _OfClass(Operation):
    """An operation on the class `name` as a whole."""

    name: str

    @property
    def of(self) -> str:
        """The class that the operation is about, as it is called before."""
        return self.name


@dataclass(frozen=True)
class CreateModel(_OfClass):
    """A class of the project is new.

    Args:
        name: its name.
        path: `module:qualname`, where the project defines it.
        fields: its own fields, by name.
        kind: "model", "plain" (a `BaseModel`), "root" (a `RootModel`), "dataclass", "tuple" (a named tuple) or "enum".
        bases: the names of classes of the project that it derives from.
        privates: the types of its private attributes.
        options: of Pydantic's configuration, or of the dataclass, or the base of an enum.
        members: the members of an enum with their values.
        indexes: those of `__indexes__`: the paths of each, whether it is unique, and True if it is one of words.
    """

    path: str
    fields: dict[str, Field] | None = None
    kind: str = "model"
    bases: tuple[str, ...] = ()
    privates: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    members: dict[str, Any] | None = None
    indexes: tuple[tuple[Any, ...], ...] | None = None

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are."""
        return True

    def state_forwards(self, state: ProjectState) -> None:
        """Add the class."""
        if self.name in state.models:
            raise MigrationError(f"the class {self.name} is there already")
        state.models[self.name] = ModelState(
            self.name,
            self.path,
            self.kind,
            self.bases,
            dict(self.fields or {}),
            dict(self.privates or {}),
            dict(self.options or {}),
            dict(self.members or {}),
            tuple(Indexed(*each) for each in self.indexes or ()),
        )

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Create {'enum' if self.kind == 'enum' else 'model'} {self.name}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return self.name.lower()


@dataclass(frozen=True)
class DeleteModel(_OfClass):
    """A class of the project is gone. Its root, or its entities, leave the file; backwards they do not come back.

    Args:
        name: the class, a str.
    """

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are."""
        return True

    def state_forwards(self, state: ProjectState) -> None:
        """Take the class away."""
        state.model(self.name)
        del state.models[self.name]

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Delete model {self.name}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"delete_{self.name.lower()}"


@dataclass(frozen=True)
class RenameModel(Operation):
    """A class of the project has another name, in its types and in the file.

    Args:
        old: its name before, a str.
        new: its name from now on, a str.
    """

    old: str
    new: str

    @property
    def of(self) -> str:
        """The class that the operation is about, as it is called before."""
        return self.old

    def state_forwards(self, state: ProjectState) -> None:
        """Rename the class wherever it is mentioned."""
        state.model(self.old)
        if self.new in state.models:
            raise MigrationError(f"{self.old} cannot be renamed: there is a class {self.new} already")
        state.rename(self.old, self.new)

    def changes_references(self, before: ProjectState) -> bool:
        """Whether references to objects of the class are stored as something else from now on: they name it."""
        return True

    def renamed(self, model: str) -> str:
        """What a class is called after the operation."""
        return self.new if model == self.old else model

    def renamed_back(self, model: str) -> str:
        """What a class was called before the operation."""
        return self.old if model == self.new else model

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Rename model {self.old} to {self.new}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"rename_{self.old.lower()}_{self.new.lower()}"


@dataclass(frozen=True)
class AlterModel(_OfClass):
    """A class of the project is of another kind, or has other bases, options, members or private attributes.

    What is None stays as it is.

    Args:
        name: the class, a str.
        path: as for `CreateModel`, and so are `kind`, `bases`, `privates`, `options`, `members` and `indexes`.
    """

    path: str | None = None
    kind: str | None = None
    bases: tuple[str, ...] | None = None
    privates: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    members: dict[str, Any] | None = None
    indexes: tuple[tuple[Any, ...], ...] | None = None

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows can be read as they are: where the class moves, is a Model now, or has more members."""
        model = before.model(self.name)
        if any(each is not None for each in (self.bases, self.privates, self.options, self.indexes)):
            return False
        members = model.members.keys() <= (model.members if self.members is None else self.members).keys()
        return members and self.kind in (None, "model")

    def state_forwards(self, state: ProjectState) -> None:
        """Change the class."""
        model = state.model(self.name)
        if self.kind is not None and "enum" in (self.kind, model.kind) and self.kind != model.kind:
            raise MigrationError(f"{self.name} cannot become {self.kind}: it is {model.kind}")
        changed = {each: getattr(self, each) for each in PARTS if getattr(self, each) is not None}
        if self.indexes is not None:
            changed["indexes"] = tuple(Indexed(*each) for each in self.indexes)
        state.models[self.name] = replace(model, **changed)

    def told(self) -> str:
        """What the operation does, for people."""
        what = ", ".join(each for each in PARTS if getattr(self, each) is not None)
        return f"Change {what} of {self.name}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"alter_{self.name.lower()}"


@dataclass(frozen=True)
class RunPython(Operation):
    """Code of the project changes rows of a class, one by one.

    Args:
        forward: gets the values of a row by field, a dictionary, and returns the new ones.
        backward: undoes that; without it the migration cannot be undone.
        model: the class; rows of classes below it are changed, too.

    Objects inside a row are in the shape that the migration gives them.
    """

    forward: Callable[[Values], Values]
    backward: Callable[[Values], Values] | None = None
    model: str = ""

    @property
    def of(self) -> str:
        """The class that the operation is about, as it is called before."""
        return self.model

    def state_forwards(self, state: ProjectState) -> None:
        """Check the class."""
        state.model(self.model)

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change."""
        return step.is_a(model, self.model)

    def forwards(self, row: Row, step: Step) -> None:
        """Run the code."""
        row.run(self.forward)

    def backwards(self, row: Row, step: Step) -> None:
        """Run the code that undoes it."""
        assert self.backward is not None
        row.run(self.backward)

    def told(self) -> str:
        """What the operation does, for people."""
        return f"Run {self.forward.__name__} on each {self.model}"

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        return f"run_{self.forward.__name__.strip('_<>').lower()}"


def check_undoable(operation: Operation) -> None:
    """Raise MigrationError where an operation cannot be undone."""
    if isinstance(operation, RunPython) and operation.backward is None:
        raise MigrationError(
            f"{operation.told()} cannot be undone: it has no backward function. Give it one in the migration file and "
            "record the edit, parcode migrate FILE NAME --fake; or go back to the commit before the migration, "
            "session.revert(sequence)"
        )

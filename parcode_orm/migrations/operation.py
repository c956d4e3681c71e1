"""`Operation`: a step of a migration. It changes the state of the project, and rows of it, forwards and backwards.

An operation is a dataclass whose arguments a migration file spells. Rows are changed one by one, so that a file of any
size is migrated in bounded memory.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from .row import Row, Step
from .state import ProjectState


@dataclass(frozen=True)
class Operation:
    """A step of a migration.

    `forwards` and `backwards` change the values of one row of a class that it `touches`. `step` has the states before
    and after the operation, in the order of time.
    """

    @property
    def of(self) -> str:
        """The class that the operation is about, as it is called before."""
        raise AssertionError(type(self))

    def is_lazy(self, before: ProjectState, stored: Container[str]) -> bool:
        """Whether rows of the state before can be read by the classes after, without a rewrite.

        `stored` are the names that fields of the class have in the file.
        """
        return False

    def changes_references(self, before: ProjectState) -> bool:
        """Whether references to objects of the class are stored as something else from now on."""
        return False

    def state_forwards(self, state: ProjectState) -> None:
        """Change the state of the project.

        Raises:
            MigrationError: the operation does not fit the state.
        """

    def touches(self, model: str, step: Step) -> bool:
        """Whether rows of a class change."""
        return False

    def forwards(self, row: Row, step: Step) -> None:
        """Change a row of the state before into one of the state after."""

    def backwards(self, row: Row, step: Step) -> None:
        """Change a row of the state after into one of the state before."""

    def renamed(self, model: str) -> str:
        """What a class is called after the operation."""
        return model

    def renamed_back(self, model: str) -> str:
        """What a class was called before the operation."""
        return model

    def told(self) -> str:
        """What the operation does, for people."""
        raise AssertionError(type(self))

    def part_of_name(self) -> str:
        """What stands for the operation in the name of a migration."""
        raise AssertionError(type(self))


@dataclass(frozen=True)
class OfModel(Operation):
    """An operation on parts of the class `model`."""

    model: str

    @property
    def of(self) -> str:
        """The class that the operation is about, as it is called before."""
        return self.model

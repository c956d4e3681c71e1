"""The autodetector: the operations that lead from one state of a project to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import MigrationError
from .fields import AddField, AddIndex, AlterField, OrderFields, RemoveField, RemoveIndex, RenameField, SetUnique
from .operation import Operation
from .operations import AlterModel, CreateModel, DeleteModel, RenameModel
from .state import UNSET, Field, Indexed, ModelState, ProjectState, in_order, same_mark, same_type
from .types import admits_none
from .writer import can_spell


@dataclass
class Answers:
    """What a person says about changes that can be taken for one thing or another.

    Args:
        renames: old names and new ones: of classes, "Player" and "Hero", or of fields, "Player.name" and "title".
        defaults: by "Player.rank", what stored objects get in a new field without a default.
        ask: gets a question and returns a bool; None: a question is an error.
        ask_default: gets "Player.rank" and returns what stored objects get; None: a missing default is an error.
    """

    renames: dict[str, str] = field(default_factory=dict)
    no_renames: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)
    ask: Callable[[str], bool] | None = None
    ask_default: Callable[[str], Any] | None = None

    def renamed(self, old: str, new: str, what: str) -> bool:
        """Whether something was renamed.

        Raises:
            MigrationError: no answer says it.
        """
        if old in self.renames:
            return self.renames[old] == new
        if self.no_renames or self._taken(old, new):
            return False
        if self.ask is not None:
            return self.ask(f"Was {what} {old} renamed to {new}?")
        raise MigrationError(
            f"{what} {old} is gone and {new} is new: was it renamed? If it was, give --rename "
            f"{old}={new}. If not, give --no-renames: then {old} is removed, with what it holds, and {new} is added"
        )

    def _taken(self, old: str, new: str) -> bool:
        """Whether another class, or field of the same class, is said to have the new name."""
        of = old.partition(".")
        return any(
            there == new and name.partition(".")[:2] == (of[0] if of[1] else name, of[1])
            for name, there in self.renames.items()
        )

    def default(self, where: str) -> Any:
        """What stored objects get in a field.

        Raises:
            MigrationError: no answer says it.
        """
        if where in self.defaults:
            return self.defaults[where]
        if self.ask_default is not None:
            return self.ask_default(where)
        raise MigrationError(
            f"{where} is new and has no default that a migration can spell: give the field a default, or give "
            f"--default {where}=VALUE, what stored objects get"
        )


def changes(old: ProjectState, new: ProjectState, answers: Answers | None = None) -> list[Operation]:
    """The operations that lead from `old` to `new`.

    Raises:
        MigrationError: `answers` does not say what was renamed, or what stored objects get.
    """
    return _Detector(old, new, answers or Answers()).operations()


class _Detector:
    def __init__(self, old: ProjectState, new: ProjectState, answers: Answers) -> None:
        self._state = old.copy()  # with the operations that were found
        self._new = new
        self._answers = replace(answers, renames=_by_new_class(answers.renames))
        self._found: list[Operation] = []
        self._check_answers(old)

    def operations(self) -> list[Operation]:
        """All operations, in an order in which each fits the state before it."""
        self._rename_models()
        for model in in_order(self._new.models.values()):
            if model.name not in self._state.models:
                self._create(model)
        for model in in_order(self._new.models.values()):
            self._alter(model)
        for name in [name for name in self._state.models if name not in self._new.models]:
            self._do(DeleteModel(name))
        if {name: model.described() for name, model in self._state.models.items()} != {
            name: model.described() for name, model in self._new.models.items()
        }:
            raise AssertionError("the operations do not lead to the state")
        return self._found

    def _do(self, operation: Operation) -> None:
        operation.state_forwards(self._state)
        self._found.append(operation)

    def _check_answers(self, old: ProjectState) -> None:
        """Raise MigrationError for an answer that is about nothing: it would be left aside, and values be removed."""
        before = {new: name for name, new in self._answers.renames.items() if "." not in name}
        for name, now in self._answers.renames.items():
            model, dot, field_name = name.partition(".")
            there, here = old.models.get(model) or old.models.get(before.get(model, "")), self._new.models.get(model)
            known: Any = old.models if not dot else {} if there is None else there.fields
            names: Any = self._new.models if not dot else {} if here is None else here.fields
            target = f"{model}.{now}" if dot else now
            problem = ""
            if (field_name or model) not in known:
                problem = f"the migrations know no {name}"
            elif now not in names:
                problem = f"the models have no {target}"
            elif (field_name or model) in names:
                problem = f"the models have {name} still"
            elif now in known:
                problem = f"the migrations know {target} already"
            if problem:
                raise MigrationError(f"--rename {name}={now}: {problem}")
        for where in self._answers.defaults:
            model, _, field_name = where.partition(".")
            if model not in self._new.models or field_name not in self._new.models[model].fields:
                raise MigrationError(f"--default {where}=...: the models have no {where}")

    # -- models -------------------------------------------------------------------------------------------------------

    def _rename_models(self) -> None:
        for name in list(self._state.models):
            if name in self._new.models:
                continue
            model = self._state.models[name]
            for other in self._new.models.values():
                said = self._answers.renames.get(name) == other.name
                if other.name not in self._state.models and (said or _alike(model, other)):
                    if self._answers.renamed(name, other.name, "the class"):
                        self._do(RenameModel(name, other.name))
                        break

    def _create(self, model: ModelState) -> None:
        fields = {name: _spellable(each) for name, each in model.fields.items()}
        operation = CreateModel(
            model.name,
            model.path,
            fields or None,
            model.kind,
            model.bases,
            model.privates or None,
            model.options or None,
            model.members or None,
            _plain(model.indexes) or None,
        )
        self._do(operation)

    def _alter(self, model: ModelState) -> None:
        self._alter_itself(model)
        self._fields(model)

    def _alter_itself(self, new: ModelState) -> None:
        old = self._state.models[new.name]
        parts = ("path", "kind", "bases", "privates", "options", "members")  # indexes go with fields
        changed: Any = {each: getattr(new, each) for each in parts if getattr(old, each) != getattr(new, each)}
        if list(old.members.items()) != list(new.members.items()):
            changed["members"] = new.members
        if changed:
            self._do(AlterModel(new.name, **changed))

    # -- fields -------------------------------------------------------------------------------------------------------

    def _fields(self, new: ModelState) -> None:
        name = new.name
        self._rename_fields(new)
        old_indexes, new_indexes = self._state.models[name].indexes, new.indexes
        for index in old_indexes:
            if (index.fields, index.text) not in {(each.fields, each.text) for each in new_indexes}:
                self._do(RemoveIndex(name, index.fields, text=index.text))
        for key in [key for key in self._state.models[name].fields if key not in new.fields]:
            self._do(RemoveField(name, key))
        before = ""
        for key, each in new.fields.items():
            old = self._state.models[name].fields
            if key not in old:
                last = next(reversed(old), "")
                field = self._with_default(name, key, each)
                after = None if last == before else before
                self._do(AddField(name, key, field, after, preserve_default=_spellable(each).has_default))
            elif not each.same(old[key]):
                self._alter_field(name, key, old[key], each)
            before = key
        if list(self._state.models[name].fields) != list(new.fields):
            self._do(OrderFields(name, tuple(new.fields)))
        self._indexes(new)

    def _indexes(self, new: ModelState) -> None:
        """The indexes of `__indexes__` that are new, or unique now; removed indexes went before their fields."""
        known = {(each.fields, each.text): each for each in self._state.models[new.name].indexes}
        for index in new.indexes:
            there = known.get((index.fields, index.text))
            if there is None:
                self._do(AddIndex(new.name, index.fields, index.unique, index.text))
            elif index.unique is not there.unique:
                self._do(SetUnique(new.name, index.fields, index.unique))
        if self._state.models[new.name].indexes != new.indexes:  # in another order
            self._do(AlterModel(new.name, indexes=_plain(new.indexes)))

    def _rename_fields(self, new: ModelState) -> None:
        old = self._state.models[new.name]
        for key, each in list(old.fields.items()):
            if key in new.fields:
                continue
            for other, there in new.fields.items():
                where = f"{new.name}.{key}"
                said = self._answers.renames.get(where) == other
                likely = same_type(each.type, there.type) and same_mark(each.mark, there.mark)
                if other not in self._state.models[new.name].fields and (said or likely):
                    if self._answers.renamed(where, other, "the field"):
                        self._do(RenameField(new.name, key, other))
                        break

    def _alter_field(self, model: str, name: str, old: Field, new: Field) -> None:
        if same_type(old.type, new.type) and (old.mark is None or old.index) and (new.mark is None or new.index):
            if old.index is None:
                assert new.index is not None
                self._do(AddIndex(model, name, new.index.unique, new.index.text))
            elif new.index is None:
                self._do(RemoveIndex(model, name))
            elif new.index.text is not old.index.text:
                self._do(RemoveIndex(model, name))
                self._do(AddIndex(model, name, new.index.unique, new.index.text))
            else:
                self._do(SetUnique(model, name, new.index.unique))
        else:
            self._do(AlterField(model, name, _spellable(new)))

    def _with_default(self, model: str, name: str, field: Field) -> Field:
        """A new field with what stored objects get."""
        found = _spellable(field)
        if found.has_default:
            return found
        where = f"{model}.{name}"
        if admits_none(field.type) and where not in self._answers.defaults:
            return replace(found, default=None)
        return replace(found, default=self._answers.default(where))


def _by_new_class(renames: dict[str, str]) -> dict[str, str]:
    """Renames whose fields are named with their class's new name, though a person may have said the old one."""
    found = {}
    for name, now in renames.items():
        model, dot, field_name = name.partition(".")
        found[f"{renames.get(model, model)}{dot}{field_name}" if dot else name] = now
    return found


def _alike(old: ModelState, new: ModelState) -> bool:
    """Whether a class may be another one under a new name."""
    if old.kind != new.kind:
        return False
    mine, theirs = old.members or old.fields, new.members or new.fields
    return bool(mine) and set(mine) == set(theirs)


def _spellable(field: Field) -> Field:
    """A field without a default that a migration cannot spell."""
    if field.default_factory is not None and not can_spell(field.default_factory):
        field = replace(field, default_factory=None)
    if field.default is not UNSET and not can_spell(field.default):
        field = replace(field, default=UNSET)
    return field


def name_for(operations: Iterable[Operation], first: bool) -> str:
    """What stands behind the number in the name of a migration."""
    if first:
        return "initial"
    parts: list[str] = []
    for operation in operations:
        part = operation.part_of_name()
        if parts and len("_".join([*parts, part])) > 50:
            return "_".join([*parts, "and_more"])
        parts.append(part)
    return "".join(each if each.isalnum() else "_" for each in "_".join(parts)) or "empty"


def _plain(indexes: Iterable[Indexed]) -> tuple[tuple[Any, ...], ...]:
    """Indexes as an operation spells them."""
    return tuple(tuple(each) if each.text else (each.fields, each.unique) for each in indexes)

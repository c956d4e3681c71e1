"""Random models, edits and data: `makemigrations` and `migrate` do what the edits do to plain objects, both ways."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from parcode_orm import Session, select
from tests.effort import half
from tests.equality import same

from .project import Project

pytestmark = pytest.mark.once

ROOT, ENTITY, PART, ENUM = "World", "Unit", "Part", "Role"
TEXT = st.text(max_size=6)
INTS = st.integers(-(2**40), 2**40)


class Kind(NamedTuple):
    """A type of fields: its spelling, what fields are assigned, a default, and values."""

    type: str
    suffix: str
    default: Any
    values: Any


SIMPLE = {
    "int": Kind("int", "", 7, INTS),
    "float": Kind("float", "", 1.5, INTS.map(float)),
    "str": Kind("str", "", "a", TEXT),
    "bool": Kind("bool", "", True, st.booleans()),
    "optional": Kind("int | None", "", None, INTS | st.none()),
    "ints": Kind("list[int]", "", [], st.lists(INTS, max_size=4)),
    "texts": Kind("dict[str, str]", "", {}, st.dictionaries(TEXT, TEXT, max_size=3)),
    "tuple": Kind("tuple[int, ...]", "", (), st.lists(INTS, max_size=4).map(tuple)),
    "chunk": Kind("list[int]", "Chunk", [], st.lists(INTS, max_size=4) | st.just(list(range(700)))),
    "role": Kind("Role", "", "MAGE", st.sampled_from(["MAGE", "THIEF"])),
}
NESTED = {
    "part": Kind("Part", "", None, None),
    "parts": Kind("list[Part]", "Chunk", [], None),
    "by": Kind("dict[str, Part]", "ShardedMap", {}, None),
    "inline": Kind("list[Part]", "", [], None),
}
# A field of the first kind may become one of the second, and of each value: what it becomes, and what it was.
ALTERED: dict[tuple[str, str], tuple[Any, Any]] = {
    ("int", "float"): (float, int),
    ("float", "int"): (int, float),
    ("int", "optional"): (lambda value: value, lambda value: value),
    ("ints", "tuple"): (tuple, list),
    ("tuple", "chunk"): (list, tuple),
    ("ints", "chunk"): (lambda value: value, lambda value: value),
    ("chunk", "ints"): (lambda value: value, lambda value: value),
    ("inline", "parts"): (lambda value: value, lambda value: value),
    ("parts", "inline"): (lambda value: value, lambda value: value),
}


@dataclass
class Models:
    """The classes of a project: names, and fields with their kinds. An entity has `id`, and indexes."""

    fields: dict[str, dict[str, str]]
    names: dict[str, str] = field(default_factory=lambda: {name: name for name in (ROOT, ENTITY, PART, ENUM)})
    indexes: dict[str, str] = field(default_factory=dict)
    members: list[str] = field(default_factory=lambda: ["MAGE", "THIEF"])

    def source(self) -> str:
        members = "".join(f"    {name} = {name.lower()!r}\n" for name in self.members)
        lines = [f"class {self.names[ENUM]}(Enum):\n{members}"]
        for cls in (PART, ROOT, ENTITY):
            lines.append(f"class {self.names[cls]}(Model):\n")
            lines += ["    id: int = Key()\n"] if cls == ENTITY else ["    none: None = None\n"]
            for name, key in self.fields[cls].items():
                kind = KINDS[key]
                default = f"default={self.spelled(kind)}"
                value = default.partition("=")[2] if not kind.suffix else f"{kind.suffix}({default})"
                if cls == ENTITY and name in self.indexes:
                    value = f"Index({default})"
                declared = kind.type.replace("Part", self.names[PART]).replace("Role", self.names[ENUM])
                lines.append(f"    {name}: {declared} = {value}\n")
        return "".join(lines)

    def spelled(self, kind: Kind) -> str:
        if kind.type == "Role":
            return f"{self.names[ENUM]}.{kind.default}"
        return f"{self.names[PART]}()" if kind.type == "Part" else repr(kind.default)

    def default(self, key: str) -> Any:
        """What an object gets in a field of a kind, as plain data."""
        if key == "part":
            return {name: self.default(each) for name, each in self.fields[PART].items()}
        return copy.deepcopy(KINDS[key].default)


KINDS = {**SIMPLE, **NESTED}
Data = dict[str, Any]


def objects(module: Any, models: Models, data: Data) -> list[Any]:
    """The root and the entities for plain data."""
    made = {name: getattr(module, models.names[name]) for name in (ROOT, ENTITY, PART, ENUM)}

    def value(key: str, found: Any) -> Any:
        if key == "role":
            return made[ENUM][found]
        if key == "part":
            return part(found)
        if key in ("parts", "inline"):
            return [part(each) for each in found]
        return {name: part(each) for name, each in found.items()} if key == "by" else found

    def values(cls: str, row: Data) -> Data:
        return {name: value(key, row[name]) for name, key in models.fields[cls].items()}

    def part(row: Data) -> Any:
        return made[PART](**values(PART, row))

    root = made[ROOT](**values(ROOT, data[ROOT]))
    return [root, *(made[ENTITY](id=key, **values(ENTITY, row)) for key, row in data[ENTITY].items())]


@st.composite
def begun(draw: st.DrawFn) -> tuple[Models, Data]:
    """Models, and data for them."""
    simple = st.dictionaries(st.sampled_from("abc"), st.sampled_from(sorted(SIMPLE)), max_size=3)
    any_kind = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(sorted(KINDS)), min_size=1, max_size=4)
    models = Models({PART: draw(simple), ROOT: draw(any_kind), ENTITY: draw(any_kind)})

    def row(cls: str) -> Data:
        found = {}
        for name, key in models.fields[cls].items():
            if key == "part":
                found[name] = row(PART)
            elif key in ("parts", "inline"):
                found[name] = [row(PART) for _ in range(draw(st.integers(0, 2)))]
            elif key == "by":
                found[name] = {f"k{n}": row(PART) for n in range(draw(st.integers(0, 2)))}
            else:
                found[name] = draw(KINDS[key].values)
        return found

    keys = draw(st.lists(st.integers(0, 99), max_size=3, unique=True))
    return models, {ROOT: row(ROOT), ENTITY: {key: row(ENTITY) for key in keys}}


def rows(models: Models, data: Data, cls: str) -> list[Data]:
    """All rows of a class in plain data, wherever they stand."""
    if cls != PART:
        return [data[ROOT]] if cls == ROOT else list(data[ENTITY].values())
    found: list[Data] = []
    for each in (ROOT, ENTITY):
        for row in rows(models, data, each):
            for name, key in models.fields[each].items():
                if key in NESTED:
                    inside = row[name]
                    found += [inside] if key == "part" else list(inside.values() if key == "by" else inside)
    return found


class Edit(NamedTuple):
    """The models after an edit, what it renamed, and what it does to data, forwards and back."""

    models: Models
    what: str
    renames: dict[str, str]
    forwards: Any
    backwards: Any


@st.composite
def edits(draw: st.DrawFn, models: Models) -> Edit:
    """An edit that fits the models."""
    new = copy.deepcopy(models)
    cls = draw(st.sampled_from([ROOT, ENTITY, PART]))
    there = models.fields[cls]
    what = draw(st.sampled_from(["add", "remove", "rename", "alter", "order", "class", "index", "member"]))
    each: Any = lambda change: lambda data: [change(row) for row in rows(models, data, cls)]
    after: Any = lambda change: lambda data: [change(row) for row in rows(new, data, cls)]
    nothing: Any = lambda data: None
    if what == "add":
        name = draw(st.sampled_from([name for name in "fghijklm" if name not in there]))
        key = draw(st.sampled_from(sorted(SIMPLE if cls == PART else KINDS)))
        place = draw(st.integers(0, len(there)))
        names = [*list(there)[:place], name, *list(there)[place:]]
        new.fields[cls] = {each: there.get(each, key) for each in names}
        return Edit(
            new, what, {}, each(lambda row: row.update({name: models.default(key)})), after(lambda row: row.pop(name))
        )
    if what == "remove" and there:
        name = draw(st.sampled_from(sorted(there)))
        key = new.fields[cls].pop(name)
        new.indexes.pop(name, None) if cls == ENTITY else None
        default = models.default(key)
        return Edit(
            new,
            what,
            {},
            each(lambda row: row.pop(name)),
            after(lambda row: row.update({name: copy.deepcopy(default)})),
        )
    if what == "rename" and there:
        old = draw(st.sampled_from(sorted(there)))
        name = draw(st.sampled_from([name for name in "nopqrstu" if name not in there]))
        new.fields[cls] = {name if each == old else each: key for each, key in there.items()}
        if cls == ENTITY:
            new.indexes = {name if each == old else each: kind for each, kind in models.indexes.items()}
        renames = {f"{models.names[cls]}.{old}": name}
        return Edit(
            new, what, renames, each(lambda row: row.update({name: row.pop(old)})),
            after(lambda row: row.update({old: row.pop(name)})),
        )  # fmt: skip
    if what == "alter":
        pairs = [(name, pair) for name, key in there.items() for pair in ALTERED if pair[0] == key]
        pairs = [(name, pair) for name, pair in pairs if cls != PART or pair[1] not in NESTED]
        pairs = [(name, pair) for name, pair in pairs if cls != ENTITY or name not in models.indexes]
        if pairs:
            name, pair = draw(st.sampled_from(pairs))
            new.fields[cls][name] = pair[1]
            forward, backward = ALTERED[pair]
            return Edit(
                new, what, {}, each(lambda row: row.update({name: forward(row[name])})),
                after(lambda row: row.update({name: backward(row[name])})),
            )  # fmt: skip
    if what == "order":
        names = draw(st.permutations(sorted(there)))
        new.fields[cls] = {name: there[name] for name in names}
        return Edit(new, what, {}, nothing, nothing)
    if what == "index":
        fitting = [name for name, key in models.fields[ENTITY].items() if key in ("int", "str", "float", "optional")]
        if fitting:
            name = draw(st.sampled_from(fitting))
            if new.indexes.pop(name, None) is None:
                new.indexes[name] = "ordered"
            return Edit(new, what, {}, nothing, nothing)
    if what == "member":
        new.members.append(f"MEMBER{len(new.members)}")
        return Edit(new, what, {}, nothing, nothing)
    cls = draw(st.sampled_from([ROOT, ENTITY, PART, ENUM]))
    new.names[cls] += "X"
    return Edit(new, "class", {models.names[cls]: new.names[cls]}, nothing, nothing)


def has_roles(models: Models) -> bool:
    """Whether the state of the project has the enum: a class that no field names is not part of it."""
    return any("role" in fields.values() for fields in models.fields.values())


def stored(project: Project, module: Any, models: Models) -> list[Any]:
    """The root and the entities of the file, whole."""
    with Session.open(project.path) as session:
        root = session.root(getattr(module, models.names[ROOT])).model_load()
        cls = getattr(module, models.names[ENTITY])
        return [root, *(each.model_load() for each in session.scalars(select(cls)))]


def check(found: list[Any], expected: list[Any]) -> None:
    """The same values; which fields were set does not count."""
    for obj in (*found, *expected):
        forget_sets(obj)
    assert [type(each) for each in found] == [type(each) for each in expected]
    assert all(map(same, found, expected)), f"{found}\n{expected}"


def forget_sets(value: Any) -> None:
    if hasattr(value, "__pydantic_fields_set__"):
        object.__setattr__(value, "__pydantic_fields_set__", set())
        for each in vars(value).values():
            forget_sets(each)
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            forget_sets(each)


@half()
@given(data=st.data())
def test_migrations_do_what_the_edits_do(data: st.DataObject, tmp_path_factory: Any) -> None:
    directory: Path = tmp_path_factory.mktemp("random")
    project = Project(directory)
    models, content = data.draw(begun(), "models and data")
    module = project.define(models.source())
    project.store(*objects(module, models, content))
    project.make()
    done = [(models, copy.deepcopy(content))]
    script: list[Edit] = []
    for _ in range(data.draw(st.integers(1, 6), "edits")):
        edit = data.draw(edits(models), "edit")
        event(edit.what)
        edit.forwards(content)
        models = edit.models
        module = project.define(models.source())
        of_enum = models.names[ENUM] in edit.renames.values()
        renames = {} if of_enum and not has_roles(done[-1][0]) else edit.renames
        if project.make(renames=renames) is not None:
            script.append(edit)
            done.append((models, copy.deepcopy(content)))
        assert project.make() is None, "the migrations describe the models"
    project.migrate(rewrite=data.draw(st.booleans(), "rewrite"))
    check(stored(project, module, models), objects(module, models, content))
    while script:
        edit = script.pop()
        edit.backwards(content)
        models = done[len(script)][0]
        module = project.define(models.source())
        project.migrate(f"{len(script) + 1:04}")
        check(stored(project, module, models), objects(module, models, content))
    shutil.rmtree(directory)

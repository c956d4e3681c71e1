"""Migration files: what is detected, how it is written, and what reads it back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from parcode_orm import Chunk, Index, Key, MigrationError, ShardedMap
from parcode_orm import load as load_root
from parcode_orm.migrations import (
    AddField,
    AlterField,
    Answers,
    CreateModel,
    Field,
    Named,
    RunPython,
    load,
    makemigrations,
    squashmigrations,
)
from parcode_orm.migrations.autodetector import changes, name_for
from parcode_orm.migrations.loader import states_of
from parcode_orm.migrations.operations import DeleteModel
from parcode_orm.migrations.state import ProjectState
from parcode_orm.migrations.writer import can_spell, source_of

from .project import Project

pytestmark = pytest.mark.once

T = TypeVar("T")
Pairs = TypeAliasType("Pairs", list[tuple[T, int]], type_params=(T,))
Role, Box = Named("Role"), Named("Box[int]")
VALUES: list[Any] = [
    None, True, -5, 1.5, float("inf"), "a \"b\" 'c' \n", b"a'\x00", [], (), set(), [1, [2]], (1,), {"a": {1: None}},
    {3, 1}, frozenset({1}), 'a "b"', "a 'b' \\", "\ud800 é",
    datetime(2024, 5, 3, 1), timedelta(days=1), Decimal("1.50"), UUID(int=7), list, uuid4,
    Role["MAGE"],
]  # fmt: skip
TYPES: list[Any] = [
    int, None, Any, list[int], dict[str, Role], Role | None, Box | int | None, tuple[int, ...], tuple[()],
    Literal["a", 1], set[datetime], list[dict[str, list[Box] | None]], type(None),
    Pairs[str], NDArray[np.int64],
]  # fmt: skip
MARKS: list[Any] = [
    None,
    Chunk(),
    Chunk(compression="lz4"),
    ShardedMap(),
    Key(),
    Key(auto=True),
    Index(),
    Index(unique=True),
]


def read_back(tmp_path: Path, operations: list[Any]) -> tuple[Any, ...]:
    (tmp_path / "0001_a.py").write_text(source_of([], operations))
    return load(tmp_path).migrations["0001_a"].operations


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written: list[Any] = [AddField("A", f"v{n}", Field(Any, default=value)) for n, value in enumerate(VALUES)]
    written += [AddField("A", f"t{n}", Field(tp), "v1") for n, tp in enumerate(TYPES)]
    written += [AlterField("A", f"m{n}", Field(int, mark)) for n, mark in enumerate(MARKS)]
    assert repr(read_back(tmp_path, written)) == repr(tuple(written))


def test_public_modules_are_imported() -> None:
    source = source_of([], [AddField("A", "x", Field(NDArray[np.int64]))])
    assert "import _" not in source and "._" not in source


def test_files_are_as_the_formatter_has_them(tmp_path: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    long = {f"a_field_with_quite_a_long_name_{n}": Field(dict[str, list[Role] | None], ShardedMap()) for n in range(3)}
    long["default"] = Field(list[str], Chunk(), [f"a text of some length, number {n}" for n in range(9)])
    operations = [CreateModel("A" * 40, "a.module.of.models:" + "A" * 40, long, privates={"_a": int}), DeleteModel("B")]
    operations += [AddField("A", f"v{n}", Field(tp, default=VALUES[n])) for n, tp in enumerate(TYPES)]
    (tmp_path / "0001_a.py").write_text(source_of(["0000_" + "x" * 99], operations, ["0000_y"]))
    for command in (["format", "--diff"], ["check", "--select", "I,E,F,W,UP", "--ignore", "E501"]):
        done = subprocess.run(
            [str(ruff), *command, "--isolated", "."], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout


def test_what_has_no_spelling() -> None:
    assert can_spell([1, {"a": 2}]) and not can_spell(lambda: 3) and not can_spell(object())
    with pytest.raises(MigrationError, match=r"cannot be named in a migration file: define it at the top of a module"):
        source_of([], [RunPython(lambda row: row, model="A")])


CHANGES: dict[str, tuple[str, str, list[str]]] = {
    "nothing": ("class A(Model):\n    a: int", "class A(Model):\n    a: int = 5", []),
    "a constraint": ("class A(Model):\n    a: int", "class A(Model):\n    a: int = Field(5, gt=3)", []),
    "optional in another spelling": ("class A(Model):\n    a: int | None", "class A(Model):\n    a: Optional[int]", []),
    "a field": ("class A(Model):\n    a: int", "class A(Model):\n    a: int\n    b: int = 1", ["Add field b to A"]),
    "a field gone": ("class A(Model):\n    a: int\n    b: int", "class A(Model):\n    a: int", ["Remove field b of A"]),
    "the order": (
        "class A(Model):\n    a: int\n    b: str", "class A(Model):\n    b: str\n    a: int", ["Order the fields of A"],
    ),
    "a first field": (
        "class A(Model):\n    a: int", "class A(Model):\n    b: str = ''\n    a: int", ["Add field b to A"],
    ),
    "a mark": (
        "class A(Model):\n    a: list[int]", "class A(Model):\n    a: list[int] = Chunk()", ["Alter field a of A"],
    ),
    "a model": (
        "class A(Model):\n    a: int", "class A(Model):\n    a: int\nclass B(Model):\n    b: int", ["Create model B"],
    ),
    "a model gone": (
        "class A(Model):\n    a: int\nclass B(Model):\n    b: int", "class A(Model):\n    a: int", ["Delete model B"],
    ),
    "another kind": (
        "class B(BaseModel):\n    b: int\nclass A(Model):\n    a: B",
        "class B(Model):\n    b: int\nclass A(Model):\n    a: B", ["Change kind of B"],
    ),
    "a base": (
        "class A(Model):\n    a: int\n    b: int", "class B(Model):\n    a: int\nclass A(B):\n    b: int",
        ["Create model B", "Change bases of A", "Remove field a of A"],
    ),
    "extra values": (
        "class A(Model):\n    a: int", "class A(Model):\n    model_config = ConfigDict(extra='allow')\n    a: int",
        ["Change options of A"],
    ),
    "indexes": (
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: int = Index()\n    c: int = Index()",
        "class A(Model):\n    id: int = Key()\n    a: int = Index()\n    b: int\n    c: int = Index(unique=True)",
        ["Add an index of A.a", "Remove the index of A.b", "Make the index of A.c unique"],
    ),
    "indexes of several fields": (
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: str = Index('x')\n"
        "    __indexes__ = (Index('a', 'b'),)",
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: str = Index('y')\n    c: int = 0\n"
        "    __indexes__ = (Index('c', 'b', unique=True), Index('a'))",
        ["Remove the index of A.a, b", "Add field c to A", "Add a unique index of A.c, b", "Add an index of A.a"],
    ),
    "the order of indexes": (
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: str\n    __indexes__ = (Index('a'), Index('b'))",
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: str\n    __indexes__ = (Index('b'), Index('a'))",
        ["Change indexes of A"],
    ),
    "a unique index of several fields": (
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: str\n    __indexes__ = (Index('a', 'b'),)",
        "class A(Model):\n    id: int = Key()\n    a: int\n    b: str\n"
        "    __indexes__ = (Index('a', 'b', unique=True),)",
        ["Make the index of A.a, b unique"],
    ),
    "an enum": (
        "class E(Enum):\n    X = 1\nclass A(Model):\n    a: E",
        "class E(Enum):\n    X = 1\n    Y = 2\nclass A(Model):\n    a: E",
        ["Change members of E"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_changes(what: str, tmp_path: Path) -> None:
    before, after, expected = CHANGES[what]
    project = Project(tmp_path)
    project.define("from typing import Optional\n" + before)
    project.make()
    project.define("from typing import Optional\n" + after)
    made = project.make()
    assert list(made.operations if made else ()) == expected
    assert project.make() is None, "the migrations describe the models now"


def test_a_field_that_moves_to_a_base_keeps_its_values(tmp_path: Path) -> None:
    project = Project(tmp_path)
    old = project.define(CHANGES["a base"][0])
    project.make()
    project.store(old.A(a=1, b=2))
    project.migrate()
    new = project.define(CHANGES["a base"][1])
    project.make()
    for target in (None, "0001", None):
        project.migrate(target)
    assert load_root(project.path, new.A).model_dump() == {"a": 1, "b": 2}


def test_renames_are_asked_about(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.define("class A(Model):\n    a: int\n    b: str")
    project.make()
    project.define("class A(Model):\n    c: int\n    d: str")

    def make(answers: Answers) -> list[str]:
        made = makemigrations(["shop"], migrations=project.migrations, answers=answers, write=False)
        return [] if made is None else list(made.operations)

    with pytest.raises(
        MigrationError, match=r"the field A\.a is gone and c is new: .* --rename A\.a=c\. If not, give --no-ren"
    ):
        make(Answers())
    asked: list[str] = []
    assert make(Answers(ask=lambda question: not asked.append(question))) == [  # type: ignore[func-returns-value]
        "Rename field a of A to c", "Rename field b of A to d",
    ]  # fmt: skip
    assert asked == ["Was the field A.a renamed to c?", "Was the field A.b renamed to d?"]
    defaults = {"A.c": 1, "A.d": ""}
    assert len(make(Answers(no_renames=True, defaults=defaults))) == 4
    renamed = make(Answers({"A.a": "c"}, no_renames=True, defaults=defaults))
    assert renamed == ["Rename field a of A to c", "Remove field b of A", "Add field d to A"]
    for renames, told in {
        ("A.x", "c"): r"--rename A\.x=c: the migrations know no A\.x",
        ("A.a", "x"): r"--rename A\.a=x: the models have no A\.x",  # it was left aside, and `a` was removed
        ("X", "A"): "--rename X=A: the migrations know no X",
        ("A", "X"): "--rename A=X: the models have no X",
    }.items():
        with pytest.raises(MigrationError, match=told):
            make(Answers(dict([renames]), no_renames=True, defaults=defaults))
    with pytest.raises(MigrationError, match=r"--default A\.x=\.\.\.: the models have no A\.x"):
        make(Answers(no_renames=True, defaults={**defaults, "A.x": 1}))
    project.define("class A(Model):\n    a: int\n    b: str\n    c: int = 0")
    with pytest.raises(MigrationError, match=r"--rename A\.a=c: the models have A\.a still"):
        make(Answers({"A.a": "c"}))


def test_a_field_of_a_renamed_class_is_named_with_either_name(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.define("class A(Model):\n    a: int")
    project.make()
    project.define("class B(Model):\n    b: str")
    for field in ("A.a", "B.a"):
        answers = Answers({"A": "B", field: "b"})
        made = makemigrations(["shop"], migrations=project.migrations, answers=answers, write=False)
        assert made is not None and "Rename field a of B to b" in made.operations


def test_renamed_from_is_an_answer(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.define("class B(BaseModel):\n    a: int\nclass A(Model):\n    b: B\n    n: int")
    project.make()
    project.define("""
from parcode_orm import renamed_from
@renamed_from("B")
class C(BaseModel):
    x: Annotated[int, renamed_from("a")]
class A(Model):
    b: C
    m: int = Chunk(renamed_from="n")
""")
    made = makemigrations(["shop"], migrations=project.migrations)
    assert made is not None and made.operations == (
        "Rename model B to C", "Rename field a of C to x", "Rename field n of A to m", "Alter field m of A",
    )  # fmt: skip
    assert makemigrations(["shop"], migrations=project.migrations) is None


def test_what_cannot_be_described(tmp_path: Path) -> None:
    project = Project(tmp_path)
    module = project.define("class A(Model):\n    a: int\n")
    module.Other = type("A", (module.Model,), {"__module__": "shop", "__annotations__": {"b": int}})
    with pytest.raises(MigrationError, match=r"two classes of the project have the name A: shop\.A and shop\.A"):
        project.make()
    with pytest.raises(MigrationError, match=r"the module no\.such of the models cannot be imported: ModuleNotFound"):
        makemigrations(["no.such"], migrations=tmp_path)
    with pytest.raises(MigrationError, match=r"shop:B defines no parcode_orm\.Model"):
        makemigrations(["shop:B"], migrations=tmp_path)
    with pytest.raises(ValueError, match=r"the name of a migration is of letters, digits and _, not 'a-b'"):
        makemigrations(["shop:A"], migrations=tmp_path, name="a-b")


def test_ends_are_merged(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.define("class A(Model):\n    a: int\n")
    project.make()
    for name in ("b", "c"):
        project.write(
            f"0002_{name}",
            f"dependencies = ['0001_initial']\noperations = [AddField('A', '{name}', Field(int, default=1))]\n",
        )
    with pytest.raises(MigrationError, match="several ends, 0002_b, 0002_c"):
        project.make()
    merged = project.make(merge=True)
    assert merged is not None and merged.name == "0003_merge" and 'dependencies = ["0002_b", "0002_c"]' in merged.source
    new = project.define("class A(Model):\n    a: int\n    b: int\n    c: int\n")
    assert project.make() is None and project.make(merge=True) is None
    project.store(new.A(a=1, b=2, c=3))
    assert [step.known for step in project.migrate()] == [True] * 4


def test_squashed_migrations_take_the_place_of_others(tmp_path: Path) -> None:
    project = Project(tmp_path)
    texts = [
        "class A(Model):\n    a: int\n" + "".join(f"    b{n}: int = {n}\n" for n in range(more)) for more in range(4)
    ]
    old = project.define(texts[0])
    project.make()
    project.store(old.A(a=1))
    behind = project.path.with_name("behind.par")
    for text in texts[1:]:
        project.migrate()
        shutil.copy(project.path, behind)
        project.define(text)
        project.make()
    squashed = squashmigrations("0003", migrations=project.migrations)
    assert squashed.name == "0001_squashed_0003_a_b1"
    for path in (project.path, behind):
        project.path = path
        project.migrate()
        assert project.migrate() == []
    assert list(load(project.migrations).for_file(()).migrations) == [squashed.name, "0004_a_b2"]
    for name in squashed.source.split("replaces = [")[1].split("]")[0].replace('"', "").split(","):
        (project.migrations / f"{name.strip()}.py").unlink(missing_ok=True)
    assert project.migrate() == [] and project.make() is None


def test_code_is_not_squashed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.define("class A(Model):\n    a: int\n")
    project.make()
    project.write("0002_code", "dependencies = ['0001_initial']\noperations = [RunPython(dict, model='A')]\n")
    with pytest.raises(MigrationError, match=r"0002_code runs code \(Run dict on each A\), which cannot be squashed"):
        squashmigrations("0002", migrations=project.migrations)


def test_operations_lead_to_the_state(tmp_path: Path) -> None:
    before, after = ProjectState(), ProjectState()
    CreateModel("A", "m:A", {"a": Field(int)}).state_forwards(after)
    (operation,) = changes(before, after)
    assert name_for([operation], first=False) == "a" and name_for([operation] * 60, first=False).endswith("_and_more")
    (tmp_path / "0001_a.py").write_text(source_of([], [operation]))
    assert states_of(load(tmp_path).migrations["0001_a"], before)[-1] == after

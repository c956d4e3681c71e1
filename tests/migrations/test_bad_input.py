"""What can be wrong with migrations, and with the file that they are for: typed errors, and a file as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parcode_orm import FileMissingError, MigrationError, NotAParcodeFile, Session
from parcode_orm.migrations import load, migrate, showmigrations, squashmigrations

from .project import Project

pytestmark = pytest.mark.once

ONE = "class A(Model):\n    n: int\n"
TWO = "class A(Model):\n    n: int\n    m: int = 0\n"
THREE = "class A(Model):\n    n: int\n    m: int = 0\n    k: int = 0\n"
OTHER = "class B(Model):\n    text: str\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three migrations, of which two were applied to the file."""
    project = Project(tmp_path)
    project.store(project.define(ONE).A(n=1))
    project.make()
    for text in (TWO, THREE):
        project.define(text)
        project.make()
    project.migrate("0002")
    return project


def edited(project: Project) -> None:
    with (project.migrations / "0002_a_m.py").open("a") as file:
        file.write("# an edit\n")


def missing(project: Project) -> None:
    (project.migrations / "0002_a_m.py").unlink()


def missing_last(project: Project) -> None:
    (project.migrations / "0003_a_k.py").unlink()
    missing(project)


def renumbered(project: Project) -> None:
    project.write("0003_a_k", "dependencies = ['0001_initial']\noperations = []\n")
    (project.migrations / "0002_a_m.py").rename(project.migrations / "0001_a_m.py")


def cyclic(project: Project) -> None:
    project.write("0001_initial", "dependencies = ['0003_a_k']\noperations = []\n")


def two_ends(project: Project) -> None:
    project.write("0003_beside", "dependencies = ['0002_a_m']\noperations = []\n")


def in_between(project: Project) -> None:
    """What was applied depends on a migration that was not."""
    project.write("0001_other", "dependencies = []\noperations = []\n")
    text = (project.migrations / "0002_a_m.py").read_text()
    (project.migrations / "0002_a_m.py").write_text(text.replace('"0001_initial"', '"0001_initial", "0001_other"'))


def broken(project: Project) -> None:
    project.write("0004_broken", "operations = [1 / 0]\n")


def no_operations(project: Project) -> None:
    project.write("0004_broken", "dependencies = []\noperations = ['a']\n")


def not_fitting(project: Project) -> None:
    project.write("0004_wrong", "dependencies = ['0003_a_k']\noperations = [RemoveField('A', 'x')]\n")


def mentions(project: Project) -> None:
    text = "dependencies = ['0003_a_k']\noperations = [AddField('A', 'x', Field(Named('Gone'), default=None))]\n"
    project.write("0004_wrong", text)


WRONG: dict[Callable[[Project], object], str] = {
    edited: r"0002_a_m was edited after it was applied to .*a\.par: take the edit back, and write another",
    missing: r"0003_a_k depends on 0002_a_m, which is not in .*migrations: its file is missing",
    missing_last: r"a\.par was migrated by newer code, with 0002_a_m, and .* ends at 0001",
    renumbered: r"0001_a_m|0002_a_m, which is not in .*: the file is missing, or",
    cyclic: r"depend on each other: 0001_initial -> 0003_a_k -> 0002_a_m -> 0001_initial",
    two_ends: r"have several ends, 0003_a_k, 0003_beside: .*makemigrations --merge",
    in_between: r"has 0002_a_m and lacks 0001_other, which it depends on: .* out of order",
    broken: r"0004_broken\.py cannot be read as a migration: ZeroDivisionError",
    no_operations: r"0004_broken\.py: a migration has a list 'operations' of operations",
    not_fitting: r"0004_wrong: A has no field x at this point of the migrations; it has: n, m, k",
    mentions: r"0004_wrong: A mentions the class Gone, which no migration has created",
}


@pytest.mark.parametrize("spoil", WRONG)
def test_wrong_migrations(spoil: Callable[[Project], object], project: Project) -> None:
    spoil(project)
    before = project.path.read_bytes()
    with pytest.raises(MigrationError, match=WRONG[spoil]):
        project.migrate()
    assert project.path.read_bytes() == before


def test_a_file_migrated_by_newer_code(project: Project) -> None:
    project.migrate()
    (project.migrations / "0003_a_k.py").unlink()
    with pytest.raises(MigrationError, match=r"migrated by newer code, with 0003_a_k, and .* ends at 0002") as caught:
        project.migrate()
    assert caught.value.migration == "0003_a_k"


def test_an_edit_that_changes_nothing_is_taken_for_applied(project: Project) -> None:
    edited(project)
    project.migrate(fake=True)
    assert project.migrate() == []


def test_what_is_taken_for_applied_is_told(project: Project) -> None:
    edited(project)
    found = project.migrate("0002", fake=True)
    assert [(step.name, step.known) for step in found] == [("0002_a_m", True)]


def test_no_migrations_in_the_directory(project: Project, tmp_path: Path) -> None:
    for call in (migrate, showmigrations):
        with pytest.raises(MigrationError, match=r"there are no migrations in /.*/gone: parcode makemigrations writes"):
            call(project.path, migrations=tmp_path / "gone")


def test_a_file_behind_squashed_migrations(project: Project) -> None:
    """`migrate` said that there was nothing to do, and the file lost its record of migrations."""
    squashmigrations("0003", migrations=project.migrations)
    for name in ("0001_initial", "0002_a_m", "0003_a_k"):
        (project.migrations / f"{name}.py").unlink()
    before = project.path.read_bytes()
    with pytest.raises(
        MigrationError, match=r"only a part of what 0001_squashed_0003_a_k was squashed from, 0001.*0002"
    ):
        project.migrate()
    assert project.path.read_bytes() == before


def test_a_value_that_does_not_go_back(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.define(ONE)
    project.make()
    new = project.define(ONE.replace("int", "float"))
    project.make()
    project.store(new.A(n=1.5))
    project.migrate()
    with pytest.raises(MigrationError, match=r"1\.5 cannot be stored as int.* AlterField\(\.\.\., backward=\.\.\.\)"):
        project.migrate("0001")


def test_a_file_of_other_models(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.store(project.define(OTHER).B(text="a"))
    project.define(ONE)
    project.make()
    with pytest.raises(MigrationError, match=r"holds B, written by models that .* has at no point: these are the"):
        project.migrate()


def test_models_that_changed_without_a_migration(project: Project) -> None:
    new = project.define(ONE.replace("n: int", "n: float"))
    with Session(project.path) as session:
        session.add(new.A(n=1.5), replace=True)
        session.commit()
    with pytest.raises(MigrationError, match=r"A in .*a\.par was written by models that .* has at no point"):
        project.migrate()


def test_what_a_newer_program_wrote_is_left_alone(project: Project) -> None:
    new = project.define(THREE)
    with Session(project.path) as session:
        session.add(new.A(n=5, m=6, k=7), replace=True)
        session.commit()
    project.migrate()
    with Session.open(project.path) as session:
        assert session.root(new.A).model_dump() == {"n": 5, "m": 6, "k": 7}


def test_a_file_without_a_record_between_code(tmp_path: Path) -> None:
    """Whether the code ran cannot be seen from the schemas."""
    project = Project(tmp_path)
    project.store(project.define(ONE).A(n=1))
    project.make()
    project.write("0002_code", "dependencies = ['0001_initial']\noperations = [RunPython(dict, dict, model='A')]\n")
    with pytest.raises(MigrationError, match=r"no record of migrations, and fits them before and after 0002_code"):
        project.migrate()
    there = showmigrations(project.path, migrations=project.migrations)
    assert there == {"0001_initial": False, "0002_code": False}  # whatever the schemas fit, nothing is recorded
    (step,) = project.migrate("0001", fake=True)
    assert step.name == "0001_initial" and [step.name for step in project.migrate()] == ["0002_code"]


def test_code_without_a_way_back(project: Project) -> None:
    project.write("0004_code", "dependencies = ['0003_a_k']\noperations = [RunPython(dict, model='A')]\n")
    project.migrate()
    with pytest.raises(
        MigrationError,
        match=r"Run dict on each A cannot be undone: it has no backward function\. .*--fake; or .*revert\(",
    ):
        project.migrate("0003")


def test_code_that_fails_or_returns_something_else(project: Project) -> None:
    code = "dependencies = ['0003_a_k']\noperations = [RunPython({}, model='A')]\n"
    before = project.path.read_bytes()
    project.migrate()
    there = project.path.read_bytes()
    assert there != before
    project.write("0004_code", code.format("lambda row: None"))
    with pytest.raises(MigrationError, match=r"0004_code: .*returned None: it returns the dictionary"):
        project.migrate()
    project.write("0004_code", code.format("lambda row: {**row, 'x': 1}"))
    with pytest.raises(MigrationError, match=r"0004_code: A\.x: a migration gives rows this value, and the class has"):
        project.migrate()
    project.write("0004_code", code.format("lambda row: 1 / 0"))
    with pytest.raises(ZeroDivisionError):
        project.migrate()
    assert project.path.read_bytes() == there


def test_a_field_without_a_default(project: Project) -> None:
    project.define(THREE + "    must: str\n")
    with pytest.raises(MigrationError, match=r"A\.must is new and has no default .* --default A\.must=VALUE"):
        project.make()
    project.make(defaults={"A.must": "?"})
    project.migrate()
    project.write("0005_more", "dependencies = ['0004_a_must']\noperations = [AddField('A', 'more', Field(int))]\n")
    with pytest.raises(MigrationError, match=r"0005_more: A\.more: objects lack this field, and it has no default"):
        project.migrate()


def test_names_and_files_that_are_not_there(project: Project) -> None:
    with pytest.raises(MigrationError, match=r"no migration begins with '0009'; there are: 0001_initial, 0002_a_m"):
        project.migrate("0009")
    with pytest.raises(MigrationError, match=r"3 migrations begin with '000'"):
        project.migrate("000")
    with pytest.raises(FileMissingError):
        migrate(project.path.with_name("no"), migrations=project.migrations)
    with pytest.raises(NotAParcodeFile):
        migrate(project.migrations / "0001_initial.py", migrations=project.migrations)
    with pytest.raises(TypeError, match=r"migrate\(path\): path is a str or an os\.PathLike, not None"):
        migrate(None, migrations=project.migrations)  # type: ignore[arg-type]
    assert load(project.path.with_name("no")).migrations == {}

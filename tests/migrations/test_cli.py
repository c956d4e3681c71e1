"""The `parcode` command, in a project with a pyproject.toml."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Session
from parcode_orm.cli import main

pytestmark = pytest.mark.once

ONE = "from parcode_orm import Model\nclass A(Model):\n    n: int\n"


class Shell:
    """Runs the command in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def models(self, text: str) -> Any:
        """Write the module of the models, and import it."""
        (self.directory / "models_of_shop.py").write_text(text)
        sys.modules.pop("models_of_shop", None)
        namespace: dict[str, Any] = {"__name__": "models_of_shop"}
        exec(text, namespace)
        return namespace["A"]

    def __call__(self, *arguments: str, code: int = 0, answers: str = "") -> str:
        """What the command prints."""
        testing: Any = pytest.importorskip("typer.testing")
        from parcode_orm.cli import commands

        sys.modules.pop("models_of_shop", None)
        found = testing.CliRunner().invoke(commands(), list(arguments), input=answers)
        assert found.exit_code == code, found.output + repr(found.exception)
        return str(found.output)


@pytest.fixture
def parcode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pyproject.toml").write_text('[tool.parcode]\nmodels = ["models_of_shop"]\nmigrations = "history"\n')
    return Shell(tmp_path)


def test_a_project_from_its_first_migration_on(parcode: Shell) -> None:
    old = parcode.models(ONE)
    with Session("a.par") as session:
        session.add(old(n=1))
        session.commit()
    assert "No migrations" in parcode("showmigrations")
    assert "Create model A" in parcode("makemigrations", "--check", code=1)
    assert "operations = [" in parcode("makemigrations", "--dry-run") and not Path("history").exists()
    assert "history/0001_initial.py\n  - Create model A" in parcode("makemigrations")
    assert parcode("makemigrations", "--check") == "No changes\n"
    assert parcode("showmigrations", "a.par") == "[ ] 0001_initial\n"  # the file fits, and has no record
    assert parcode("migrate", "a.par") == "apply 0001_initial (recorded only)\n"

    new = parcode.models(ONE.replace("n: int", "m: int\n    k: str"))
    assert "--rename A.n=m" in parcode("makemigrations", code=2).replace("\n", " ")
    assert "is no literal" in parcode("makemigrations", "--rename", "A.n=m", "--default", "A.k=x y", code=2)
    assert "is no pair" in parcode("makemigrations", "--rename", "A.n", code=2)
    assert "--rename A.n=o: the models have no A.o" in parcode("makemigrations", "--rename", "A.n=o", code=2)
    parcode("makemigrations", "--rename", "A.n=m", "--default", "A.k='?'", "--name", "rename")
    plan = parcode("migrate", "a.par", "--plan")
    assert plan == "apply 0002_rename\n    - Rename field n of A to m\n    - Add field k to A\n"
    assert parcode("migrate", "a.par") == "apply 0002_rename\n"
    assert parcode("migrate", "a.par") == "Nothing to do\n"
    with Session.open("a.par") as session:
        assert session.root(new).model_dump() == {"m": 1, "k": "?"}
    assert parcode("migrate", "a.par", "0001") == "undo 0002_rename\n"
    assert parcode("showmigrations", "a.par") == "[x] 0001_initial\n[ ] 0002_rename\n"
    assert parcode("migrate", "a.par", "--fake") == "apply 0002_rename (recorded only)\n"
    assert "0001_squashed_0002_rename" in parcode("squashmigrations", "0002", "--dry-run")


def test_migrations_for_code_and_for_several_ends(parcode: Shell) -> None:
    parcode.models(ONE)
    parcode("makemigrations")
    for name in ("one", "two"):
        text = "dependencies = ['0001_initial']\noperations = []\n"
        Path(f"history/0002_{name}.py").write_text(text)
    assert "makemigrations --merge" in parcode("makemigrations", code=2).replace("\n", " ")
    assert "0003_merge" in parcode("makemigrations", "--merge")
    assert "0004_code" in parcode("makemigrations", "--empty", "--name", "code")
    assert Path("history/0004_code.py").read_text() == 'dependencies = ["0003_merge"]\noperations = []\n'


def test_a_file_is_compared_with_models(parcode: Shell) -> None:
    with Session("a.par") as session:
        session.add(parcode.models(ONE)(n=1))
        session.commit()
    assert parcode("diff-schema", "a.par", "models_of_shop.py") == "opens: A\n"
    parcode.models(ONE + "    m: int = 0\n")
    assert parcode("diff-schema", "a.par", "models_of_shop") == "upgrades: A\n    - A.m: this field is new\n"
    parcode.models(ONE + "    m: int\n")
    assert "breaks: A\n" in parcode("diff-schema", "a.par", "models_of_shop.py", code=1)
    assert "cannot be imported" in parcode("diff-schema", "a.par", "no_such.py", code=2)


def test_errors_are_messages(parcode: Shell) -> None:
    (parcode.directory / "pyproject.toml").unlink()
    assert "no models are named" in parcode("makemigrations", code=2)
    assert "FileMissingError" in parcode("migrate", "no.par", code=2)
    (parcode.directory / "pyproject.toml").write_text("[")
    assert "pyproject.toml cannot be read" in parcode("makemigrations", code=2)


def test_somebody_is_asked_at_a_terminal(parcode: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typer")
    from parcode_orm.cli import migrations

    parcode.models(ONE)
    parcode("makemigrations")
    parcode.models(ONE.replace("n: int", "m: int\n    k: str"))
    monkeypatch.setattr(migrations, "is_terminal", lambda: True)
    shown = parcode("makemigrations", answers="y\n'a'\n")
    assert "Was the field A.n renamed to m?" in shown and "What do stored objects get in A.k?" in shown
    assert "Field(str, default='a')" in Path("history/0002_rename_a_n_m_a_k.py").read_text().replace('"', "'")


def test_the_command_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "typer":
            raise ImportError("no typer", name="typer")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SystemExit, match=r"the parcode command needs typer: .* 'parcode-orm\[cli\]'"):
        main()

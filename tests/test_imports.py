"""What a program imports: a cold read waits for nothing that it does not need, and every public name is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import parcode_orm
import parcode_orm.session
from parcode_orm import Chunk, Model, save

pytestmark = pytest.mark.once

HEAVY = [
    "numpy", "concurrent.futures", "parcode_orm.query", "parcode_orm.inspector", "parcode_orm.migrations",
    "parcode_orm.model.entities",
    "parcode_orm.session.compacting", "parcode_orm.session.entity.flush", "parcode_orm.session.history.diff",
    "parcode_orm.storage.append", "parcode_orm.storage.compaction", "parcode_orm.storage.notify",
]  # fmt: skip
READ = """
import sys
from parcode_orm import Chunk, Model, Session

class Settings(Model):
    difficulty: int

class World(Model):
    settings: Settings = Chunk()

with Session.open(sys.argv[1]) as session:
    assert session.root(World).settings.difficulty == 7
print(*sys.modules)
"""


class Settings(Model):
    difficulty: int


class World(Model):
    settings: Settings = Chunk()


def run(program: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_a_cold_read_imports_nothing_heavy(tmp_path: Path) -> None:
    save(tmp_path / "file", World(settings=Settings(difficulty=7)))
    modules = run(READ, str(tmp_path / "file"))
    assert "parcode_orm.session.session" in modules
    assert not set(HEAVY).intersection(modules)


@pytest.mark.parametrize("call", ["load(path, World)", "loads(data, World)", "save(path, world)"])
def test_whole_files_are_read_and_written_without_what_only_sessions_need(call: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    save(file, World(settings=Settings(difficulty=7)))
    classes = READ[READ.index("class Settings") : READ.index("with ")]
    modules = run(
        f"""
import sys
from parcode_orm import Chunk, Model, load, loads, save
{classes}
path, data, world = sys.argv[1], open(sys.argv[1], "rb").read(), World(settings=Settings(difficulty=7))
{call}
print(*sys.modules)
""",
        str(file),
    )
    assert "parcode_orm.session.roots" in modules
    assert not {*HEAVY, "parcode_orm.session.session", "parcode_orm.session.unit_of_work"}.intersection(modules)


def typed(module: object) -> dict[str, str]:
    """The names that type checkers see a module import, and where from."""
    tree = ast.parse(Path(module.__file__).read_text())  # type: ignore[attr-defined]
    (block,) = [each for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"]
    imports = [each for each in block.body if isinstance(each, ast.ImportFrom)]
    return {
        alias.asname or alias.name: "." * each.level + (each.module or "") for each in imports for alias in each.names
    }


@pytest.mark.parametrize("module", [parcode_orm, parcode_orm.session])
def test_names_are_imported_late_from_where_type_checkers_see_them(module: object) -> None:
    homes = {**typed(module)}
    late = dict(module._home_of)  # type: ignore[attr-defined]
    assert {**late, "open": homes.get("open")} == {**homes, "open": homes.get("open")}
    for name in [*module.__all__, *homes]:  # type: ignore[attr-defined]
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing  # type: ignore[attr-defined]


def test_lazy_stays_the_function_whatever_is_imported() -> None:
    found = run("from parcode_orm import Session, lazy; import parcode_orm.lazy.spans; print(callable(lazy))")
    assert found == ["True"]


@pytest.mark.parametrize(
    "program",
    [
        "from parcode_orm import Model\nclass A(Model):\n    n: int\nprint(A.n == 1)",
        "from parcode_orm import *\nprint(len_, select, Session)",
        "import parcode_orm\nprint(parcode_orm.open)",
    ],
)
def test_names_are_there_in_a_fresh_process(program: str) -> None:
    assert run(program)

"""The commands of migrations: they are written, applied, listed and squashed, files and models compared."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MigrationError
from ..lazy.shown import visible
from ..migrations import Answers, Planned, Written
from ..migrations import diff_schema as compare
from ..migrations import makemigrations as make
from ..migrations import migrate as apply
from ..migrations import showmigrations as states
from ..migrations import squashmigrations as squash
from ..model import Model
from .app import DIFFERS, File, Json, bars, command, out, say, say_json

Directory = Annotated[Path | None, typer.Option("--migrations", help="The directory of the migration files.")]


def setting(name: str, default: Any) -> Any:
    """A value of `[tool.parcode]` in the pyproject.toml of the working directory."""
    try:
        found = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return default
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise MigrationError(f"pyproject.toml cannot be read: {problem}") from problem
    return found.get("tool", {}).get("parcode", {}).get(name, default)


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _where(given: Path | None) -> Path:
    return given if given is not None else Path(setting("migrations", "migrations"))


@command("parcode makemigrations --models shop.models")
def makemigrations(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 if something differs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file, and write nothing.")] = False,
    empty: Annotated[bool, typer.Option("--empty", help="Write a migration without operations.")] = False,
    merge: Annotated[bool, typer.Option("--merge", help="Join several ends of the history.")] = False,
    name: Annotated[str | None, typer.Option(help="What stands behind the number of the new file.")] = None,
    models: Annotated[list[str] | None, typer.Option(help="A module of models; else as in pyproject.toml.")] = None,
    rename: Annotated[list[str] | None, typer.Option(help="Player=Hero or Hero.level=rank.")] = None,
    no_renames: Annotated[bool, typer.Option("--no-renames", help="Nothing else was renamed.")] = False,
    default: Annotated[list[str] | None, typer.Option(help="Hero.mana=1.5: what stored objects get.")] = None,
    migrations: Directory = None,
    json_: Json = False,
) -> None:
    """Write a migration for what changed in the models."""
    sys.path.insert(0, str(Path.cwd()))
    modules = models or setting("models", [])
    if not modules and not merge and not empty:
        raise MigrationError(
            'no models are named: --models package.module, or in pyproject.toml [tool.parcode] models = ["..."]'
        )
    answers = Answers(_pairs(rename), no_renames, {key: _literal(text) for key, text in _pairs(default).items()})
    if is_terminal() and not check and not json_:
        answers.ask, answers.ask_default = typer.confirm, _asked
    options: dict[str, Any] = {"name": name, "empty": empty, "merge": merge, "answers": answers}
    found = make(modules, migrations=_where(migrations), write=not (check or dry_run), **options)
    _tell(found, dry_run, json_)
    if check and found is not None:
        raise typer.Exit(DIFFERS)


def _tell(found: Written | None, with_source: bool, as_json: bool) -> None:
    if as_json:
        written = found and {"path": str(found.path), "operations": found.operations, "source": found.source}
        say_json(written)
        return
    if found is None:
        say("No changes")
        return
    out.print(visible(str(found.path)), style="bold", markup=False, soft_wrap=True)
    for line in found.operations:
        say(f"  - {line}")
    if with_source:
        say(found.source)


def _pairs(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or ():
        old, equals, new = text.partition("=")
        if not equals or not old or not new:
            raise MigrationError(f"{text!r} is no pair: write OLD=NEW")
        found[old] = new
    return found


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as problem:
        raise MigrationError(
            f"{text!r} is no literal of Python: write a number, a quoted text, None, a list"
        ) from problem


def _asked(where: str) -> Any:
    return _literal(typer.prompt(f"What do stored objects get in {where}? (a literal of Python)"))


@command("parcode migrate shop.par --plan")
def migrate(
    file: File,
    target: Annotated[str | None, typer.Argument(help="A migration, or zero; else the newest.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done.")] = False,
    fake: Annotated[bool, typer.Option("--fake", help="Record the migrations, and change nothing else.")] = False,
    rewrite: Annotated[bool, typer.Option("--rewrite", help="Write rows anew even if they could be read.")] = False,
    migrations: Directory = None,
    json_: Json = False,
) -> None:
    """Bring a file to the newest migration, or to another, forwards or backwards."""
    with bars() as progress:
        options: dict[str, Any] = {"plan": plan, "fake": fake, "rewrite": rewrite, "progress": progress}
        done = apply(file, target, migrations=_where(migrations), **options)
    if json_:
        steps = [{"name": e.name, "undo": e.backwards, "known": e.known, "operations": e.operations} for e in done]
        say_json({"planned" if plan else "done": steps})
        return
    for step in done:
        say(_line(step, fake))
        if plan:
            for line in step.operations:
                say(f"    - {line}")
    if not done:
        say("Nothing to do")


def _line(step: Planned, fake: bool) -> str:
    what = "undo" if step.backwards else "apply"
    return f"{what} {step.name}{' (recorded only)' if fake or step.known else ''}"


@command("parcode showmigrations shop.par")
def showmigrations(
    file: Annotated[Path | None, typer.Argument(help="A Parcode file.", show_default=False)] = None,
    migrations: Directory = None,
    json_: Json = False,
) -> None:
    """List the migrations, and which of them a file has."""
    found = states(file, migrations=_where(migrations))
    if json_:
        say_json(found)
        return
    for name, there in found.items():
        say(name if there is None else f"[{'x' if there else ' '}] {name}")
    if not found:
        say(f"No migrations in {_where(migrations).absolute()}")


@command("parcode squashmigrations 0007")
def squashmigrations(
    last: Annotated[str, typer.Argument(help="The last migration to squash.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="What stands behind the number of the new file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file, and write nothing.")] = False,
    migrations: Directory = None,
    json_: Json = False,
) -> None:
    """Write one migration that replaces several."""
    found = squash(last, migrations=_where(migrations), name=name, write=not dry_run)
    _tell(found, dry_run, json_)


@command("parcode diff-schema shop.par shop/models.py")
def diff_schema(
    file: File,
    models: Annotated[list[str], typer.Argument(help="models.py, or package.module.", show_default=False)],
    json_: Json = False,
) -> None:
    """Say what opens, is upgraded, or breaks when the models read a file. Exits with 1 if something breaks."""
    found = compare(file, [cls for each in models for cls in models_in(each)])
    if json_:
        keys = ("name", "entities", "verdict", "details")
        say_json([{key: getattr(each, key) for key in keys} for each in found])
    else:
        for each in found:
            say(f"{each.verdict}: {f'the {each.name} objects' if each.entities else each.name}")
            for line in each.details:
                say(f"    - {line}")
        if not found:
            say("The file is empty")
    if any(each.verdict in ("breaks", "unknown") for each in found):
        raise typer.Exit(DIFFERS)


def models_in(name: str) -> list[Any]:
    """The models of a module, or of a file of Python."""
    path = Path(name)
    directory = path.resolve().parent if path.suffix == ".py" else Path.cwd()
    sys.path.insert(0, str(directory))
    module = path.stem if path.suffix == ".py" else name
    try:
        found = vars(importlib.import_module(module)).values()
    except Exception as problem:
        raise MigrationError(f"{name} cannot be imported: {problem!r}") from problem
    return [each for each in found if isinstance(each, type) and issubclass(each, Model) and each.__module__ == module]

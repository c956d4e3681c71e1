"""What the `parcode` command does: migrations are written, applied, listed and squashed, files and models compared."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import rich.console
import rich.progress
import typer

from ..errors import MigrationError, ParcodeError
from ..migrations import Answers, Planned, Written
from ..migrations import diff_schema as compare
from ..migrations import makemigrations as make
from ..migrations import migrate as apply
from ..migrations import showmigrations as states
from ..migrations import squashmigrations as squash
from ..model import Model

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Migrations of Parcode files."
)
out, err = rich.console.Console(highlight=False), rich.console.Console(stderr=True, highlight=False)

Directory = Annotated[Path | None, typer.Option("--migrations", help="The directory of the migration files.")]
File = Annotated[Path, typer.Argument(help="A Parcode file.", show_default=False)]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a function a command, called after it."""
    app.command(function.__name__.replace("_", "-"))(function)
    return function


def setting(name: str, default: Any) -> Any:
    """A value of `[tool.parcode]` in the pyproject.toml of the working directory."""
    try:
        found = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return default
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise MigrationError(f"pyproject.toml cannot be read: {problem}") from problem
    return found.get("tool", {}).get("parcode", {}).get(name, default)


@contextmanager
def errors_told() -> Iterator[None]:
    """End the command with the message of a `ParcodeError`, and exit code 2."""
    try:
        yield
    except (ParcodeError, ValueError) as problem:
        err.print(f"[bold red]{type(problem).__name__}:[/] ", end="")
        err.print(str(problem), markup=False, soft_wrap=True)
        raise typer.Exit(2) from problem


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _where(given: Path | None) -> Path:
    return given if given is not None else Path(setting("migrations", "migrations"))


@command
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
) -> None:
    """Write a migration for what changed in the models."""
    with errors_told():
        sys.path.insert(0, str(Path.cwd()))
        modules = models or setting("models", [])
        if not modules and not merge and not empty:
            raise MigrationError(
                'no models are named: --models package.module, or in pyproject.toml [tool.parcode] models = ["..."]'
            )
        answers = Answers(_pairs(rename), no_renames, {key: _literal(text) for key, text in _pairs(default).items()})
        if is_terminal() and not check:
            answers.ask, answers.ask_default = typer.confirm, _asked
        options: dict[str, Any] = {"name": name, "empty": empty, "merge": merge, "answers": answers}
        found = make(modules, migrations=_where(migrations), write=not (check or dry_run), **options)
    _tell(found, dry_run)
    if check and found is not None:
        raise typer.Exit(1)


def _tell(found: Written | None, with_source: bool) -> None:
    if found is None:
        out.print("No changes")
        return
    out.print(f"[bold]{found.path}[/]", soft_wrap=True)
    for line in found.operations:
        out.print(f"  - {line}", markup=False, soft_wrap=True)
    if with_source:
        out.print(found.source, markup=False, soft_wrap=True)


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


@command
def migrate(
    file: File,
    target: Annotated[str | None, typer.Argument(help="A migration, or zero; else the newest.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done.")] = False,
    fake: Annotated[bool, typer.Option("--fake", help="Record the migrations, and change nothing else.")] = False,
    rewrite: Annotated[bool, typer.Option("--rewrite", help="Write rows anew even if they could be read.")] = False,
    migrations: Directory = None,
) -> None:
    """Bring a file to the newest migration, or to another, forwards or backwards."""
    with errors_told(), bars() as progress:
        options: dict[str, Any] = {"plan": plan, "fake": fake, "rewrite": rewrite, "progress": progress}
        done = apply(file, target, migrations=_where(migrations), **options)
    for step in done:
        out.print(_line(step, fake), markup=False, soft_wrap=True)
        if plan:
            for line in step.operations:
                out.print(f"    - {line}", markup=False, soft_wrap=True)
    if not done:
        out.print("Nothing to do")


def _line(step: Planned, fake: bool) -> str:
    what = "undo" if step.backwards else "apply"
    return f"{what} {step.name}{' (recorded only)' if fake or step.known else ''}"


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each table that is written."""
    progress = rich.progress.Progress(console=err, transient=True)
    tasks: dict[str, rich.progress.TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            progress.start()
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            progress.stop()


@command
def showmigrations(
    file: Annotated[Path | None, typer.Argument(help="A Parcode file.", show_default=False)] = None,
    migrations: Directory = None,
) -> None:
    """List the migrations, and which of them a file has."""
    with errors_told():
        found = states(file, migrations=_where(migrations))
    for name, there in found.items():
        out.print(name if there is None else f"[{'x' if there else ' '}] {name}", markup=False)
    if not found:
        out.print(f"No migrations in {_where(migrations).absolute()}", soft_wrap=True)


@command
def squashmigrations(
    last: Annotated[str, typer.Argument(help="The last migration to squash.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="What stands behind the number of the new file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file, and write nothing.")] = False,
    migrations: Directory = None,
) -> None:
    """Write one migration that replaces several."""
    with errors_told():
        found = squash(last, migrations=_where(migrations), name=name, write=not dry_run)
    _tell(found, dry_run)


@command
def diff_schema(
    file: File,
    models: Annotated[list[str], typer.Argument(help="models.py, or package.module.", show_default=False)],
) -> None:
    """Say what opens, is upgraded, or breaks when the models read a file. Exits with 1 if something breaks."""
    with errors_told():
        found = compare(file, [cls for each in models for cls in _models_in(each)])
    for each in found:
        what = f"the {each.name} objects" if each.entities else each.name
        out.print(f"{each.verdict}: {what}", markup=False, soft_wrap=True)
        for line in each.details:
            out.print(f"    - {line}", markup=False, soft_wrap=True)
    if not found:
        out.print("The file is empty")
    if any(each.verdict in ("breaks", "unknown") for each in found):
        raise typer.Exit(1)


def _models_in(name: str) -> list[Any]:
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

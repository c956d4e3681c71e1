"""The command that opens a file in IPython."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

import parcode_orm

from ..errors import MissingExtraError
from ..lazy.shown import visible
from ..session import Session
from .app import File, command


@command("parcode shell shop.par")
def shell(
    file: File,
    write: Annotated[bool, typer.Option("--write", help="Open the file to write: session.commit() stores.")] = False,
) -> None:
    """Open a file in IPython: `session` is the session, `models` has the classes by name."""
    try:
        import IPython
    except ImportError as problem:
        raise MissingExtraError(
            "parcode shell needs IPython: install it with pip install 'parcode-orm[shell]'"
        ) from problem
    with Session(file) if write else Session.open(file) as session:
        models = session.models()
        start(IPython, namespace(session, models), _banner(str(file), session, models))


def start(ipython: Any, names: dict[str, Any], banner: str) -> None:
    """Run IPython with these names."""
    from traitlets.config import Config

    config = Config()
    config.TerminalInteractiveShell.banner1 = banner
    ipython.start_ipython(argv=[], user_ns=names, config=config)


def namespace(session: Session, models: Mapping[str, Any]) -> dict[str, Any]:
    """What a person finds in the shell. No name comes from the file."""
    public = ("select", "update", "delete", "func", "desc", "asc", "any_", "all_", "len_", "explain", "lazy", "Model")
    return {"session": session, "models": models, **{name: getattr(parcode_orm, name) for name in public}}


def _banner(path: str, session: Session, models: Mapping[str, Any]) -> str:
    roots = session.roots()
    lines = [f"{path}: session, models, select, func. History: session.history()"]
    lines += [f'  session.root("{name}")' if name in roots else f'  select(models["{name}"])' for name in models]
    shown = [visible(line, 160) for line in lines[:20]]
    return "\n".join([*shown, *([f"  and {len(lines) - 20} more"] if len(lines) > 20 else [])]) + "\n"

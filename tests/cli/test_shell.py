"""A file opened in IPython."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcode_orm import Key, Model, Session, select

from .shell import parcode

pytestmark = pytest.mark.once


class Book(Model):
    name: str


class Trade(Model):
    id: int = Key()


def test_a_shell_has_the_session_and_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("IPython")
    pytest.importorskip("typer")
    from parcode_orm.cli import shell

    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(Book(name="v"))
        session.add_all(Trade(id=n) for n in range(10))
        session.commit()
    seen: list[str] = []

    def start(ipython: object, names: dict[str, object], banner: str) -> None:
        session, models = names["session"], names["models"]
        assert isinstance(session, Session)
        seen.append(f"{session.root('Book').name} {session.scalars(select(models['Trade'])).count()}")  # type: ignore
        assert 'session.root("Book")' in banner and 'select(models["Trade"])' in banner
        if not session.read_only:
            session.root("Book").name = "shell"
            session.commit()

    monkeypatch.setattr(shell, "start", start)
    parcode("shell", path)
    parcode("shell", path, "--write")
    parcode("shell", path)
    assert seen == ["v 10", "v 10", "shell 10"]

"""Migrations add, change and remove text indexes, and queries do without one that the file does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import DowngradeError, MigrationRequired, Session, col, schema, select, verify
from tests.migrations.project import Project

pytestmark = pytest.mark.once

NOTE = """
class Note(Model):
    id: int = Key(default=None, auto=True)
    title: str{title}
    tags: list[str] = []
"""
TEXTS = [f"red wine {n}" for n in range(200)] + ["white wine"]


def define(project: Project, title: str = "", more: str = "") -> Any:
    return project.define(NOTE.format(title=title) + more).Note


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    note = define(project)
    project.make()
    project.store(*[note(title=title, tags=[title]) for title in TEXTS])
    project.migrate()
    return project


def found(session: Session, cls: Any, words: str = "wine -red") -> list[int]:
    return session.scalars(select(cls.id).where(col(cls.title).matches(words))).all()


def test_a_class_with_a_text_index_that_the_file_has_not(project: Project) -> None:
    note = define(project, " = Index(text=True)")
    message = r"Note.title has a text index now.*AddIndex\('Note', 'title', text=True\)"
    with Session(project.path) as session:
        assert found(session, note) == [201]
        assert "scan" in str(session.explain(select(note).where(col(note.title).matches("red"))))
        session.get_one(note, 3).title = "white tea"
        with pytest.raises(MigrationRequired, match=message):
            session.commit()
        session.rollback()
    assert "text=True" in str(verify(project.path, models=[note]))
    assert project.make() is not None
    project.migrate()
    with Session(project.path) as session:
        assert "by the text index of title: 201 rows" in str(
            session.explain(select(note).where(col(note.title).matches("wine")))
        )
        assert found(session, note) == [201]
        session.get_one(note, 3).title = "white wine"
        session.commit()
        assert found(session, note) == [3, 201]
    assert verify(project.path, models=[note]).ok


def test_indexes_of_one_field_come_and_go(project: Project) -> None:
    ordered = define(project, ' = ""', '    __indexes__ = (Index("title"), Index("tags", text=True))\n')
    project.make()
    project.migrate()
    assert verify(project.path, models=[ordered]).ok
    both = define(
        project, ' = ""', '    __indexes__ = (Index("title"), Index("tags", text=True), Index("title", text=True))\n'
    )
    assert project.make() is not None
    files = "".join(each.read_text() for each in sorted(project.migrations.glob("0003*.py")))
    assert "AddIndex('Note', ('title',), text=True)" in files.replace('"', "'")
    project.migrate()
    with Session(project.path) as session:
        assert found(session, both) == [201]
        assert "by the index of title" in str(session.explain(select(both).where(both.title == "white wine")))
    assert verify(project.path, models=[both]).ok
    words = define(project, " = Index(text=True)", '    __indexes__ = (Index("tags", text=True),)\n')
    project.make()
    project.migrate()
    assert verify(project.path, models=[words]).ok
    source = schema(project.path).source()
    assert "title: str = Index(text=True)" in source and "tags: list[str] = Index(text=True)" in source
    unique = define(project, " = Index(unique=True)")
    project.make()
    project.migrate()
    assert verify(project.path, models=[unique]).ok
    project.migrate("0001")
    plain = define(project)
    assert verify(project.path, models=[plain]).ok


def test_a_field_with_a_text_index_is_renamed(project: Project) -> None:
    define(project, " = Index(text=True)")
    project.make()
    project.migrate()
    renamed = project.define(
        NOTE.format(title=' = Index(text=True, renamed_from="title")').replace("title: str", "name: str")
    ).Note
    with Session(project.path) as session:
        assert session.scalars(select(renamed.id).where(col(renamed.name).matches("wine -red"))).all() == [201]
        assert "by the text index of name" in str(
            session.explain(select(renamed).where(col(renamed.name).matches("wine -red")))
        )
        session.get_one(renamed, 5).name = "white wine"
        session.commit()
        assert session.scalars(select(renamed.id).where(col(renamed.name).matches("wine -red"))).all() == [5, 201]
    assert verify(project.path, models=[renamed]).ok


def test_a_program_without_the_index_only_reads(project: Project) -> None:
    define(project, " = Index(text=True)")
    project.make()
    project.migrate()
    without = define(project)
    with Session(project.path, downgrade=True) as session:
        session.get_one(without, 3).title = "white wine"
        with pytest.raises(DowngradeError, match=r"without .*text_title"):
            session.commit()
